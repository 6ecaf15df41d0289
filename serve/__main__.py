"""``python -m serve`` is ``python -m genrec.serving``."""

from genrec.serving.__main__ import main

if __name__ == "__main__":
    main()
