"""Are the interests a tuned model names true, and do the emerging ones come true?

    python benchmarks/summaries.py --data ../shared/data --out runs/summaries

For each data set a run is trained on its train split, in minutes on a CPU; then every user's
summary is written from the train events and checked. The valid and test events of the user are
what had not happened yet.

Baselines for the emerging interests: for every user for whom one was named, the user's most
frequent interests, and the catalogue's, as many as were named; and the interests counted as
emerging, without a model (the strongest, as many).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genrec.data import Dataset
from genrec.evaluate.bootstrap import paired_difference
from genrec.interests.check import Summary
from genrec.progress import console
from genrec.recommend import Recommender
from genrec.schema import History, SemanticId
from genrec.semantic_ids.profile import MIN_EVIDENCE, find_interests
from genrec.semantic_ids.table import SemanticIdTable

REAL = ("amazon18_gift_cards", "ml100k")
SETS = ("toy", *REAL)
# Enough to learn the task in minutes; the long histories of ml100k hold most of the tokens.
SETTINGS = {
    "toy": ["epochs=8"],
    "amazon18_gift_cards": ["epochs=24"],
    "ml100k": ["epochs=3", "mixture.next_item=0.5"],
}
AT_ONCE = 64


def train(name: str, data: Path, out: Path) -> Path:
    """Make a run of a data set, unless it is there; return its folder."""
    run_folder = out / "sft"
    if (run_folder / "manifest.json").exists():
        return run_folder
    source = data / name
    if name == "toy":
        source = out / "raw"
        run("-m", "genrec.cli", "toy", "--out", source, "--set", "num_users=400")
    files = ("--events", source / "events.csv.gz", "--items", source / "items.jsonl.gz")
    run("-m", "genrec.cli", "prepare", *files, "--out", out / "data")
    run("-m", "genrec.cli", "index", "--data", out / "data", "--out", out / "index")
    run(
        *("-m", "genrec.cli", "base", "--data", out / "data", "--index", out / "index"),
        *("--out", out / "base", "--config", "train/configs/demo_base.yaml"),
    )
    launch = ("-m", "accelerate.commands.launch", "--config_file", "train/accelerate/cpu.yaml")
    # Neither says anything about words.
    common = [f"data={out / 'data'}", "dense=null", "validation.users=0"]
    run(
        *(*launch, "train/pretrain.py", "--config", "train/configs/demo_pretrain.yaml", *common),
        *(f"base={out / 'base'}", f"out={out / 'pretrain'}", *SETTINGS[name]),
    )
    run(
        *(*launch, "train/sft.py", "--config", "train/configs/demo_sft.yaml", *common),
        *(f"base={out / 'pretrain'}", f"out={run_folder}"),
    )
    return run_folder


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True)


def summarize(recommender: Recommender, histories: Sequence[History]) -> list[Summary]:
    """Return the users' summaries."""
    found: list[Summary] = []
    for start in range(0, len(histories), AT_ONCE):
        found += recommender.interests_many(histories[start : start + AT_ONCE])
    return found


def check_evidence(summary: Summary, history: History, table: SemanticIdTable) -> tuple[int, int]:
    """Return how many interests are named, in lists or words, and how many have their evidence.

    Counted anew from the events, by other means than the check.
    """
    named = {claim.interest: claim.events for _, claim in summary.form.claims()}
    told = [name for name in table.names.values() if name in named]
    held = 0
    for name in told:
        events = [history.events[number - 1] for number in named[name]]
        codes = {table.codes_of(event.item_id)[0] for event in events}
        right = len(codes) == 1 and table.names[tuple(codes)] == name
        held += right and len(set(named[name])) >= MIN_EVIDENCE
    return len(named), held


def measure(recommender: Recommender) -> dict[str, object]:
    """Return what is true of a run's summaries."""
    table, data = recommender.table, recommender.data
    whole = {history.user_id: history for history in data.histories("test")}
    histories = list(data.histories("train"))
    start = time.perf_counter()
    summaries = summarize(recommender, histories)
    seconds = time.perf_counter() - start
    evident = [
        check_evidence(one, history, table)
        for one, history in zip(summaries, histories, strict=True)
    ]
    able = [
        (one, history)
        for one, history in zip(summaries, histories, strict=True)
        if find_interests(history, table)
    ]
    by_model = [one for one, _ in able if one.by_model and one.interests]
    kept = sum(len(one.interests) for one in by_model)
    wrong = sum(len(one.unsupported) for one in summaries)
    cited = sum(one.cited for one in summaries)
    return {
        "users": len(histories),
        "users_per_s": len(histories) / seconds,
        "named": sum(named for named, _ in evident),
        "with_evidence_after_check": _share(
            sum(held for _, held in evident), sum(named for named, _ in evident)
        ),
        "with_evidence_before_check": _share(kept, kept + wrong),
        "users_with_interests": len(able),
        "summaries_that_survive": _share(len(by_model), len(able)),
        "too_little_history": len(histories) - len(able),
        "citations": cited,
        "citations_valid": 1 - _share(sum(one.miscited for one in summaries), cited),
        "moved": _share(sum(len(one.moved) for one in summaries), kept),
        "interests_per_summary": _share(kept, len(by_model)),
        "emerging": measure_emerging(
            [(one, history, whole[history.user_id]) for one, history in able if one.by_model],
            table,
            data,
        ),
    }


def measure_emerging(
    asked: Sequence[tuple[Summary, History, History]], table: SemanticIdTable, data: Dataset
) -> dict[str, object]:
    """Return how often emerging interests are met by the events that were held out."""
    everywhere = Counter(
        table.codes_of(event.item_id)[:1]
        for history in data.histories("train")
        for event in history.events
    )
    popular = [prefix for prefix, _ in everywhere.most_common()]
    hits: dict[str, list[float]] = {"model": [], "user": [], "catalogue": [], "counted": []}
    for summary, history, whole in asked:
        names = set(summary.names("emerging"))
        named = [one.prefix for one in summary.interests if one.name in names]
        if not named:
            continue
        future = {
            table.codes_of(event.item_id)[:1] for event in whole.events[len(history.events) :]
        }
        own = Counter(table.codes_of(event.item_id)[:1] for event in history.events)
        found = find_interests(history, table, max_interests=len(history.events))
        rivals = {
            "model": named,
            "user": [prefix for prefix, _ in own.most_common()],
            "catalogue": popular,
            "counted": [one.prefix for one in found if one.trend == "emerging"],
        }
        for rival, prefixes in rivals.items():
            hits[rival].append(_hits(prefixes[: len(named)], future))
    if not hits["model"]:
        return {"users": 0}
    model = np.array(hits["model"])
    leads = {
        rival: paired_difference(model, np.array(hits[rival]))
        for rival in ("user", "catalogue", "counted")
    }
    return {
        "users": len(model),
        "hit_rate": {rival: float(np.mean(values)) for rival, values in hits.items()},
        "lead": {rival: [lead.mean, lead.low, lead.high] for rival, lead in leads.items()},
    }


def _hits(prefixes: Sequence[SemanticId], future: set[SemanticId]) -> float:
    return float(np.mean([prefix in future for prefix in prefixes])) if prefixes else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/summaries"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--run", type=Path, help="measure this run alone")
    arguments = parser.parse_args()
    runs = {"run": arguments.run} if arguments.run else {}
    for name in [] if arguments.run else arguments.sets:
        runs[name] = train(name, arguments.data, arguments.out / name)
    found = {name: measure(Recommender.load(path, "cpu")) for name, path in runs.items()}
    console.print_json(json.dumps(found))


if __name__ == "__main__":
    main()
