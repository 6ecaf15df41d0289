"""The base with its semantic-ID vocabulary, LoRA adapters, the loss, loading and saving."""

import logging

from transformers.utils import logging as transformers_logging

# What these print on every load and save (a bar per file, tied weights stored once, a faster
# kernel that is optional) buries what a user has to see.
transformers_logging.disable_progress_bar()
logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
