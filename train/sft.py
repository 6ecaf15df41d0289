"""Fine-tune a LoRA adapter on a finished base; see ``genrec.training.sft``.

accelerate launch train/sft.py --config train/configs/sft.yaml
"""

from genrec.training.sft import main

if __name__ == "__main__":
    main()
