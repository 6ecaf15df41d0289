"""``python -m genrec.cli`` is the ``genrec`` command."""

from genrec.cli import main

main()
