"""``python -m serve`` starts the server of ``genrec.serving``."""
