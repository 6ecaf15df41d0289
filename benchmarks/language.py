"""What language buys: from scratch against a pretrained model, IDs against words, on one log.

    python benchmarks/language.py --events FILE --items FILE --out DIR [--users N] [ROW …]

Every row trains a model on the same events and ranks the same catalogue for the same users, the
causal LM alone and pooled with the SASRec head; with whole histories, and as if only the last event
of each were known. What is there already in DIR is not made again. The last lines are JSON: for
each row N@10 with its 95% interval, and what it has more than ``scratch``, paired by user.

Rows: ``scratch``, 1.2 million parameters that read IDs, and ``scratch-words``, the same with titles
behind the IDs and in half of their places; SmolLM2-135M tuned whole with ``ids`` only,
with ``words`` behind the IDs, and with words and ``alignment`` (streams in which titles stand for
half of the IDs); the last again as an adapter with rows (``lora``), from ``random`` weights of the
same shape, and with IDs ``shuffled`` among the items, so that they mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.evaluate.saved import load_evaluation
from genrec.semantic_ids.table import SemanticIdTable

METRIC = "ndcg@10"
FIRST = "scratch"
BEAMS = 20
SMOLLM2 = ("--from", "smollm2", "--set", "context_tokens=512")
WORDS = ("--set", "item_words.show=title")
ALIGNED = ("mixture.titled=0.5",)


@dataclass(frozen=True)
class Row:
    """How a model is made and tuned.

    Attributes:
        base: Arguments of ``genrec base``.
        config: Settings of the training, a file of ``train/configs``.
        sets: What is set otherwise.
        index: Of the IDs: "index", or "shuffled".
    """

    base: tuple[str, ...]
    config: str
    sets: tuple[str, ...] = ()
    index: str = "index"


ROWS = {
    FIRST: Row((), "pretrain"),
    "scratch-words": Row(WORDS, "pretrain", ALIGNED),
    "ids": Row(SMOLLM2, "smollm2_full", ("mixture.titles=0",)),
    "words": Row((*SMOLLM2, *WORDS), "smollm2_full"),
    "alignment": Row((*SMOLLM2, *WORDS), "smollm2_full", ALIGNED),
    "lora": Row((*SMOLLM2, *WORDS), "smollm2_lora", ALIGNED),
    "random": Row((*SMOLLM2, *WORDS, "--set", "weights=random"), "smollm2_full", ALIGNED),
    "shuffled": Row((*SMOLLM2, *WORDS), "smollm2_full", ALIGNED, "shuffled"),
}
ASKED = {
    "alone": ("--sasrec-weight", "0"),
    "pooled": (),
    "alone, last event": ("--sasrec-weight", "0", "--last-events", "1"),
    "pooled, last event": ("--last-events", "1"),
}


def genrec(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "genrec.cli", *map(str, arguments)], check=True)


def sample_users(events: Path, users: int, out: Path) -> Path:
    """Write the events of a seeded sample of users of a CSV file."""
    opened = gzip.open if events.suffix == ".gz" else open
    with opened(events, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = sorted({row["user_id"] for row in rows})
    kept = set(random.Random(0).sample(known, min(users, len(known))))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row for row in rows if row["user_id"] in kept)
    return out


def shuffle_ids(index: Path, data: Path, out: Path) -> None:
    """Write a table in which the semantic IDs are dealt out anew among the items."""
    table = SemanticIdTable.load(index)
    order = np.random.default_rng(0).permutation(len(table.codes))
    replace(table, codes=table.codes[order]).save(out, parents={"data": data})


def train(
    row: Row, folder: Path, out: Path, seed: int, launcher: Sequence[str], review_chars: int
) -> Path:
    """Make a row's base and tune it; return the run."""
    run, base = out / f"run-{seed}", out / "base"
    if not base.exists():
        genrec("base", "--data", folder / "data", "--index", folder / row.index,
               "--out", base, *row.base, "--set", f"review_chars={review_chars}")  # fmt: skip
    if not run.exists():
        command = [sys.executable, "-m", "accelerate.commands.launch", *launcher]
        command += ["train/pretrain.py", "--config", f"train/configs/{row.config}.yaml"]
        command += [f"data={folder / 'data'}", f"base={base}", f"out={run}", f"seed={seed}"]
        subprocess.run([*command, *row.sets], check=True)
    return run


def evaluate(run: Path, out: Path, seed: int, asked: str, beams: int) -> np.ndarray:
    """Return the metric of every user."""
    saved = out / asked.replace(", ", "-").replace(" ", "-") / str(seed)
    if not saved.exists():
        genrec("evaluate", "--run", run, "--out", saved, "--no-baselines", "--num-beams", beams,
               *ASKED[asked])  # fmt: skip
    evaluation = load_evaluation(saved)
    return evaluation.per_user(evaluation.rankers[0], True)[METRIC]


def shown(values: Any) -> str:
    return f"{values.mean:.4f} ({values.low:.4f} to {values.high:.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--users", type=int, help="a seeded sample of so many, of a CSV file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beams", type=int, default=BEAMS)
    parser.add_argument("--review-chars", type=int, default=200, help="of a review in the stream")
    parser.add_argument("--precision", default="no", help="of the training: no or bf16")
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW")
    arguments = parser.parse_args()
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "data").exists():
        events = arguments.events
        if arguments.users:
            events = sample_users(events, arguments.users, folder / "events.csv")
        genrec("prepare", "--events", events, "--items", arguments.items, "--out", folder / "data")
        genrec("index", "--data", folder / "data", "--out", folder / "index")
        shuffle_ids(folder / "index", folder / "data", folder / "shuffled")
    launcher = ("--config_file", "train/accelerate/cpu.yaml")
    launcher += ("--mixed_precision", arguments.precision)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in arguments.rows or ROWS:
        out = folder / name
        run = train(ROWS[name], folder, out, arguments.seed, launcher, arguments.review_chars)
        found[name] = {
            asked: evaluate(run, out, arguments.seed, asked, arguments.beams) for asked in ASKED
        }
        print(json.dumps({name: {asked: float(v.mean()) for asked, v in found[name].items()}}))
    table = Table("row", "asked", "N@10", f"more than {FIRST}")
    for name, columns in found.items():
        figures: dict[str, list[list[float]]] = {}
        for asked, values in columns.items():
            measured = [intervals({METRIC: values})[METRIC]]
            if name != FIRST and FIRST in found:
                measured.append(paired_difference(values, found[FIRST][asked]))
            table.add_row(name, asked, *map(shown, measured))
            figures[asked] = [[round(v, 4) for v in (m.mean, m.low, m.high)] for m in measured]
        print(json.dumps({name: figures}))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
