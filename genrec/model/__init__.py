"""The base with its semantic-ID vocabulary, LoRA adapters, the loss, loading and saving."""

from transformers.utils import logging as transformers_logging

# A bar per file on every load buries what a user has to see.
transformers_logging.disable_progress_bar()
