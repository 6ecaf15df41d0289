"""The base with its semantic-ID vocabulary, LoRA adapters, the loss, loading and saving."""
