"""Tests that run where vLLM is installed, started by ``tests/vllm/test_inside.py``."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vllm.sampling_params import SamplingParams

from genrec.engines.vllm.processor import ItemProcessor
from genrec.engines.vllm.served import ServedBase
from genrec.engines.vllm.table_file import write_table
from genrec.semantic_ids.table import SemanticIdTable


def settings(base, **changes):
    """The settings of vLLM that the processor reads."""
    model = SimpleNamespace(
        model=str(base), logprobs_mode="processed_logprobs", logits_processors=None
    )
    scheduler = SimpleNamespace(async_scheduling=False)
    for name, value in changes.items():
        setattr(scheduler if name == "async_scheduling" else model, name, value)
    return SimpleNamespace(model_config=model, scheduler_config=scheduler)


@pytest.fixture(scope="session")
def base() -> ServedBase:
    from pathlib import Path

    return ServedBase.load(Path(os.environ["GENREC_TEST_BASE"]))


def table_of(base: ServedBase, item_ids: list[str], codes: np.ndarray) -> SemanticIdTable:
    text = base.table.text_vectors
    return replace(
        base.table,
        item_ids=item_ids,
        codes=codes,
        met=None,
        text_vectors=None if text is None else np.zeros((len(codes), text.shape[1]), np.float32),
    )


@pytest.fixture(scope="session")
def few(base):
    """A table of 12 items, few enough that filters often leave nothing."""
    rng = np.random.default_rng(0)
    codes = np.unique(rng.integers(0, 3, (20, base.table.num_levels)), axis=0)[:12]
    return [f"item {row}" for row in range(len(codes))], codes.astype(np.int32)


@pytest.fixture(scope="session")
def paths(base, few):
    return base.vocabulary.paths(few[1])


@pytest.fixture
def table_file(tmp_path, monkeypatch, base, few):
    path = tmp_path / "table.npz"
    write_table(path, table_of(base, *few))
    monkeypatch.setenv("GENREC_TABLE", str(path))
    return path


@pytest.fixture
def processor(base, table_file):
    return ItemProcessor(settings(base.path), torch.device("cpu"), False)


def params(**extra):
    return SamplingParams(max_tokens=8, extra_args=extra or None)
