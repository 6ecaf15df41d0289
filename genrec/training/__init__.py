"""Entry points for ``accelerate launch``: pretrain (full parameters) and sft (LoRA)."""
