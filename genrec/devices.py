"""Which device a model runs on, and in what it may compute there."""

from __future__ import annotations

from typing import Literal

from genrec.errors import ConfigError

Arithmetic = Literal["auto", "float32", "model", "bfloat16", "rescored"]
"""In what a model is computed; see ``genrec.model.precision``."""


def choose_device(asked: str | None = None) -> str:
    """Return the device that was asked for, or a GPU where there is one, else the CPU.

    Args:
        asked: Such as "cpu", "cuda" or "cuda:1".

    Raises:
        ConfigError: It is not there.
    """
    import torch

    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if asked is None:
        return "cuda" if "cuda" in there else "cpu"
    if asked not in there:
        raise ConfigError(f"there is no device {asked!r} here; choose {' or '.join(there)}")
    return asked
