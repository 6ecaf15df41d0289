"""LoRA adapters as artifacts: save as a plain PEFT folder, check, merge; QLoRA's 4-bit base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer, BitsAndBytesConfig

from genrec.artifacts import (
    Manifest,
    check_parent,
    find_parent,
    read_manifest,
    write_aside,
    write_manifest,
)
from genrec.errors import ConfigError
from genrec.model.base import save_model
from genrec.model.load import (
    LoadedRun,
    base_settings,
    describe_run,
    load_model,
    load_run,
    reads_of,
)

if TYPE_CHECKING:
    from peft import PeftModel

HEAD_KIND = "head"
"""An adapter that leaves the causal LM as it is and brings a SASRec head."""
ADAPTERS = ("sft", HEAD_KIND)
UNTIL = "until"
"""Setting of an adapter that an update made: the time of the newest event it was made from, s."""
ADAPTER_FILES = ["adapter_model.safetensors", "adapter_config.json"]


def load_quantized(base: Path) -> LoadedRun:
    """Load a base with its linear layers in 4 bits (NF4, double quantization), for QLoRA.

    Source: Dettmers et al., "QLoRA", arXiv 2305.14314.

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise ConfigError("QLoRA needs bitsandbytes: pip install 'genrec[qlora]'") from None
    compute = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    model = load_model(base, quantization_config=quantization)
    return describe_run(base, model)


def save_adapter(
    directory: Path,
    out: Path,
    model: PeftModel,
    settings: dict[str, Any],
    parents: dict[str, Path],
) -> None:
    """Write an adapter with its manifest into a scratch directory; one parent is its "base"."""
    model.save_pretrained(str(directory))
    write_manifest(directory, out, "sft", settings, ADAPTER_FILES, parents)


def check_adapter(path: Path, base: Path) -> Manifest:
    """Check that a folder is an adapter for a base (LoRA or head), and return its manifest.

    Raises:
        ArtifactError: Missing, damaged, no adapter, or made for another base or ID table.
    """
    manifest = read_manifest(path, ADAPTERS)
    check_parent(path, "base", base)
    return manifest


def merge(run: Path, out: Path) -> None:
    """Write an adapter's weights into a copy of its base.

    Raises:
        ConfigError: The run has no adapter.
    """
    if read_manifest(run).kind != "sft":
        raise ConfigError(f"{run} has no adapter to merge; give a run of train/sft.py")
    base = find_parent(run, "base")
    loaded = load_run(run)
    model = loaded.model.merge_and_unload()
    settings = {
        "run": str(run),
        "base_settings": base_settings(base),
        **reads_of(loaded.encoder),
    }
    parents = {"index": find_parent(base, "index"), "base": base}
    tokenizer = AutoTokenizer.from_pretrained(base)
    with write_aside(out) as directory:
        save_model(
            directory, out, "merged", model, tokenizer, settings, parents, loaded.sasrec_head
        )
