"""Train a base's parameters on the event streams; see ``genrec.training.pretrain``.

accelerate launch train/pretrain.py --config train/configs/pretrain.yaml
"""

from genrec.training.pretrain import main

if __name__ == "__main__":
    main()
