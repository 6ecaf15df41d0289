"""A run with the engine that it is asked through: in this process, or on a vLLM server."""

from __future__ import annotations

import math
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from genrec.devices import Arithmetic, choose_device
from genrec.engines.torch import TorchEngine
from genrec.errors import ConfigError
from genrec.model.load import ADAPTER_NAME, LoadedRun, base_of, describe_run, load_run
from genrec.model.precision import multiplies_bfloat16

if TYPE_CHECKING:
    from genrec.engines.vllm.client import VllmEngine


def load_engine(
    path: Path,
    device: str | None,
    num_beams: int,
    sasrec_weight: float | None = None,
    new_item_boost: float | None = None,
    arithmetic: Arithmetic = "auto",
    session_cache_mb: int = 0,
) -> tuple[LoadedRun, TorchEngine]:
    """Load a run into this process; see ``Recommender.from_pretrained`` for the arguments.

    Raises:
        ArtifactError: The run or one of its parents is missing, damaged or another one.
        ConfigError: A setting of the head that is out of range, or for a run without one; or there
            is no such arithmetic, or not on this device.
    """
    device = choose_device(device)
    if arithmetic == "bfloat16" and not multiplies_bfloat16(torch.device(device)):
        raise ConfigError(
            "arithmetic='bfloat16': this processor has no instructions for it and would take up to "
            "ten times as long as in float32"
        )
    run = load_run(path, device, torch.bfloat16 if arithmetic == "bfloat16" else "auto")
    head = run.sasrec_head
    if sasrec_weight is not None:
        is_share = isinstance(sasrec_weight, Real) and 0 <= sasrec_weight <= 1
        if head is None or not is_share:
            raise ConfigError(
                f"sasrec_weight={sasrec_weight}: give 0 to 1, for a run with a SASRec head"
            )
        head.weight = sasrec_weight
    if new_item_boost is not None:
        is_finite = isinstance(new_item_boost, Real) and math.isfinite(new_item_boost)
        if head is None or not is_finite:
            raise ConfigError(
                f"new_item_boost={new_item_boost}: give a number, for a run with a SASRec head"
            )
        head.new_item_boost = new_item_boost
    engine = TorchEngine(run, device, num_beams, arithmetic, session_cache_mb)
    engine.merge_adapter()
    return run, engine


def connect_engine(url: str, path: Path, num_beams: int) -> tuple[LoadedRun, VllmEngine]:
    """Describe a run without its model, and connect to the vLLM server that serves its base.

    Raises:
        ArtifactError: As for ``load_engine``.
        EngineUnavailable: Nothing answers at the URL.
    """
    from genrec.engines.vllm.client import VllmEngine

    run = describe_run(path)
    engine = VllmEngine(url, run, num_beams)
    if base_of(run.path) != run.path:
        engine.load_adapter(ADAPTER_NAME, run.path)
        engine.use_adapter(ADAPTER_NAME)
    return run, engine
