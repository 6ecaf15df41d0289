"""Train a small chat model on the zero-shot prompts; see ``genrec.training.chat``."""

from genrec.training.chat import main

if __name__ == "__main__":
    main()
