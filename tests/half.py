"""A run whose weights are in bfloat16, as one on a pretrained base of that kind has them."""

import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from genrec.artifacts import find_parent, read_manifest, write_manifest
from genrec.model.base import CONTENT_FILES
from genrec.model.lora import ADAPTER_FILES


def make_half(chain, root: Path) -> Path:
    """Copy the chain's pretrained base in bfloat16 and its adapter; return the adapter's run."""
    base, adapter = root / "pretrain", root / "sft"
    shutil.copytree(chain.pretrain, base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model.save_pretrained(base, max_shard_size="1TB")
    config = read_manifest(base).config
    parents = {"index": find_parent(chain.pretrain, "index")}
    write_manifest(base, base, "pretrain", config, CONTENT_FILES, parents)
    shutil.copytree(chain.sft, adapter)
    config = read_manifest(adapter).config
    write_manifest(adapter, adapter, "sft", config, ADAPTER_FILES, {"base": base})
    return adapter
