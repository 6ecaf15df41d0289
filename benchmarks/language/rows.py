"""The models that are compared, and how each is made and tuned.

Enters: a folder with prepared ``data``, an ``index`` of them and one that is ``shuffled``. Leaves:
ROW/base and ROW/run-SEED in it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genrec.semantic_ids.table import SemanticIdTable

SMOLLM2 = ("--from", "smollm2", "--set", "context_tokens=512")
WORDS = ("--set", "item_words.show=title")
ALIGNED = ("mixture.titled=0.5",)


@dataclass(frozen=True)
class Row:
    """How a model is made and tuned.

    Attributes:
        about: What it is, for the page.
        base: Arguments of ``genrec base``.
        config: Settings of the training, a file of ``train/configs``.
        sets: What is set otherwise.
        index: Of the IDs: "index", or "shuffled".
    """

    about: str
    base: tuple[str, ...]
    config: str
    sets: tuple[str, ...] = ()
    index: str = "index"

    @property
    def reads_titles(self) -> bool:
        """Whether titles stand behind the IDs."""
        return WORDS[-1] in self.base


ROWS = {
    "scratch": Row("1.2 million parameters from scratch, IDs only", (), "pretrain"),
    "scratch-words": Row(
        "`scratch` with titles behind the IDs and in half of their places",
        WORDS, "pretrain", ALIGNED,
    ),
    "ids": Row(
        "SmolLM2-135M tuned whole, IDs only", SMOLLM2, "smollm2_full", ("mixture.titles=0",)
    ),
    "words": Row("`ids` with titles behind the IDs", (*SMOLLM2, *WORDS), "smollm2_full"),
    "alignment": Row(
        "SmolLM2-135M tuned whole, titles behind the IDs and in half of their places",
        (*SMOLLM2, *WORDS), "smollm2_full", ALIGNED,
    ),
    "longer": Row(
        "as `alignment`, eight epochs instead of four (a second training had less: lab notes)",
        (*SMOLLM2, *WORDS), "smollm2_full", (*ALIGNED, "epochs=8"),
    ),
    "small-steps": Row(
        "as `alignment`, twice as many steps, of half the size",
        (*SMOLLM2, *WORDS), "smollm2_full", (*ALIGNED, "rows_per_step=4"),
    ),
    "pairs": Row(
        "as `alignment`, with pairs from the SASRec head, five epochs instead of four",
        (*SMOLLM2, *WORDS), "smollm2_full", (*ALIGNED, "mixture.pairs=1", "epochs=5"),
    ),
    "lora": Row(
        "as `alignment`, as an adapter with rows", (*SMOLLM2, *WORDS), "smollm2_lora", ALIGNED
    ),
    "random": Row(
        "as `alignment`, from random weights of the same shape",
        (*SMOLLM2, *WORDS, "--set", "weights=random"), "smollm2_full", ALIGNED,
    ),
    "shuffled": Row(
        "as `alignment`, the IDs shuffled among the items, so that they mean nothing",
        (*SMOLLM2, *WORDS), "smollm2_full", ALIGNED, "shuffled",
    ),
}  # fmt: skip


def genrec(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "genrec.cli", *map(str, arguments)], check=True)


def make_tables(folder: Path) -> None:
    """Make the IDs of a folder's data, and the same dealt out anew among the items."""
    index, data = folder / "index", folder / "data"
    if not index.exists():
        genrec("index", "--data", data, "--out", index)
    if not (folder / "shuffled").exists():
        table = SemanticIdTable.load(index)
        order = np.random.default_rng(0).permutation(len(table.codes))
        shuffled = replace(table, codes=table.codes[order])
        shuffled.save(folder / "shuffled", parents={"data": data})


def train(name: str, folder: Path, seed: int, launcher: Sequence[str], review_chars: int) -> Path:
    """Make a row's base and tune it, where that was not done yet; return the run."""
    row = ROWS[name]
    run, base = folder / name / f"run-{seed}", folder / name / "base"
    if not base.exists():
        genrec("base", "--data", folder / "data", "--index", folder / row.index,
               "--out", base, *row.base, "--set", f"review_chars={review_chars}")  # fmt: skip
    if not run.exists():
        command = [sys.executable, "-m", "accelerate.commands.launch", *launcher]
        command += ["train/pretrain.py", "--config", f"train/configs/{row.config}.yaml"]
        command += [f"data={folder / 'data'}", f"base={base}", f"out={run}", f"seed={seed}"]
        subprocess.run([*command, *row.sets], check=True)
    return run
