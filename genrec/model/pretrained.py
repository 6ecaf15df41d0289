"""Loads a pretrained causal LM: by name, from a folder, or from a GGUF file.

A GGUF file holds quantised weights; they are dequantised and from then on a model like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from genrec.errors import ConfigError
from genrec.installed_models import resolve


def load_pretrained(source: str, dtype: str, context_tokens: int = 0) -> tuple[Any, Any]:
    """Load a causal LM and its tokenizer.

    Args:
        source: "smollm2", a .gguf file, a folder, or a Hugging Face name.
        dtype: Of the weights.
        context_tokens: Longest sequence that is to be read; 0: as the model may.

    Returns:
        Model and tokenizer.

    Raises:
        ConfigError: Nothing to load, damaged, not installed, or made for shorter sequences.
    """
    name = resolve(source)
    is_gguf = name.endswith(".gguf")
    options: dict[str, Any] = {}
    if is_gguf:
        file = Path(name)
        if not file.is_file():
            raise ConfigError(f"there is no file {file}; give the path of a GGUF file")
        name, options = str(file.parent), {"gguf_file": file.name}
    try:
        with _read_once() if is_gguf else nullcontext():
            tokenizer = AutoTokenizer.from_pretrained(name, **options)
            model: Any = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **options)
    except ImportError as error:
        raise ConfigError(
            f"cannot read '{source}': {_reason(error)} — install it with: pip install "
            "'genrec[smollm2]'"
        ) from None
    # gguf's reader fails in many ways on a damaged file, with the errors of NumPy and struct.
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, AttributeError) as error:
        hint = (
            "the file is damaged, or of an architecture that Transformers cannot read from GGUF"
            if is_gguf
            else "give a folder, a Hugging Face name (with network access), a .gguf file, or "
            "'smollm2'"
        )
        raise ConfigError(
            f"cannot load a causal LM from '{source}': {_reason(error)} — {hint}"
        ) from None
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and context_tokens > limit:
        raise ConfigError(
            f"context_tokens={context_tokens}, but '{source}' reads at most {limit}; set fewer"
        )
    if is_gguf:
        _forget_quantisation(model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


@contextmanager
def _read_once() -> Iterator[None]:
    """Let Transformers parse a GGUF file once.

    It does so for the tokenizer, for the configuration and for the weights, and lists the names of
    all weights anew for each of them: three quarters of the time that a small model takes to load.
    """
    import gguf

    slow = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, function in slow.items():
        setattr(gguf, name, cache(function))
    try:
        yield
    finally:
        for name, function in slow.items():
            setattr(gguf, name, function)


def _forget_quantisation(model: Any) -> None:
    """The weights are plain ones now; with these two left, the model could not be saved."""
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
