"""The base with its semantic-ID vocabulary, LoRA adapters, the loss, loading and saving."""

import transformers.utils
from transformers.utils import logging as transformers_logging

# A bar per file on every load buries what a user has to see.
transformers_logging.disable_progress_bar()

# Else whatever imports a model imports scikit-learn, SciPy's statistics and pandas, for a threshold
# of assisted generation, which is not used here.
transformers.utils.is_sklearn_available = lambda: False  # type: ignore[attr-defined]
