"""``python -m serve`` starts the gateway; what it runs is ``genrec.serving``."""
