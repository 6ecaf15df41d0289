"""Entry points for ``accelerate launch``; what they run is ``genrec.training``."""
