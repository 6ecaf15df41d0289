"""Are the interests a tuned model names true, and do the emerging ones come true?

    python -m benchmarks.summaries --data ../shared/data --out runs/summaries

For each data set a run is trained, in minutes on a CPU, on four fifths of the users. The others,
whom it has never seen, are asked about at up to 10 moments of their histories; what had not
happened yet are their next 5 events. The smallest set is asked in full: each fifth in turn is
left out of a run of its own.

    python -m benchmarks.summaries --data ../shared/data --sets toy --zero-shot smollm2 --users 40

asks a stock chat model instead, once for each of a sample of users, by all of their events.

    python -m benchmarks.summaries --run runs/demo_llm/run --toy runs/demo_llm/raw --users 20

asks a run that is there about people of its toy world whom it has never met.

*Grounded precision* is the share of the interests named that the events support, before the check;
*grounded recall* the share of a user's strongest interests, as many as a summary may name, that are
named (after GISTBench, arXiv 2603.29112; what events support is counted, not judged by a model).

Baselines for the emerging interests: at every moment at which some were named, the user's most
frequent interests, and the catalogue's, as many as were named; and the interests counted as
emerging from the events alone (the strongest, as many). Users are what intervals are taken over.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.event_files import read_events, write_events
from genrec.data import Dataset
from genrec.data.toy.files import read_config
from genrec.data.toy.world import draw_newcomers
from genrec.errors import EngineUnavailable
from genrec.evaluate.bootstrap import paired_difference
from genrec.interests.profile.buckets import NEXT_EVENTS
from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.check import Summary
from genrec.interests.summary.templates import read_statement, split_sentences
from genrec.interests.timeline.forecast import Forecaster
from genrec.progress import console, track
from genrec.recommender import Recommender
from genrec.schema import MIN_EVIDENCE, Event, History, Request, SemanticId
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.config import ZeroShotConfig

SETS = ("toy", "amazon18_gift_cards", "ml100k")
# Enough to learn the task in minutes; the long histories of ml100k hold most of the tokens.
SETTINGS = {
    "toy": ["epochs=8"],
    "amazon18_gift_cards": ["epochs=24"],
    "ml100k": ["epochs=3", "mixture.next_item=0.5"],
}
PARTS = 5
RUNS = {"toy": 1, "amazon18_gift_cards": PARTS, "ml100k": 1}
"""How many parts of the users are left out, each of a run of its own."""
MOMENTS = 10
CHANCES = (0.0, 0.25, 0.5, 0.75)
AT_ONCE = 64
SHOWN = 3
"""Summaries whose words are printed."""


@dataclass(frozen=True)
class Answer:
    """What was said at a moment.

    Attributes:
        summary: Checked.
        now: The history it is of.
        later: The events after it.
        table: Of the run that said it.
        popular: The catalogue's interests, most frequent first.
        chances: That one of the next events is of it, for each first code. Shape: (K,).
    """

    summary: Summary
    now: History
    later: Sequence[Event]
    table: SemanticIdTable
    popular: Sequence[SemanticId]
    chances: np.ndarray


def gather(name: str, source: Path, out: Path) -> tuple[list[Answer], float]:
    """Train a set's runs, unless they are there, and ask them; also return the seconds it took."""
    source, data = prepare_set(name, source, out)
    histories = list(data.histories("test"))
    parts = np.random.default_rng(0).permutation(len(histories)) % PARTS
    answers, seconds = [], 0.0
    for part in range(RUNS[name]):
        left_out = [one for one, drawn in zip(histories, parts, strict=True) if drawn == part]
        users = {history.user_id for history in left_out}
        folder = train(name, source, users, out / str(part))
        recommender, forecaster = (
            Recommender.from_pretrained(folder, "cpu"),
            Forecaster.of_run(folder),
        )
        assert forecaster is not None, "runs are trained with validation"
        started = time.perf_counter()
        answers += ask(recommender, forecaster, left_out)
        seconds += time.perf_counter() - started
    return answers, seconds


def prepare_set(name: str, source: Path, out: Path) -> tuple[Path, Dataset]:
    """Return the folder of a set's files, the toy world's made anew, and the set prepared."""
    if name == "toy":
        source = out / "raw"
        if not source.exists():
            run("-m", "genrec.cli", "toy", "--out", source, "--set", "num_users=400")
    prepare(source / "events.csv.gz", source / "items.jsonl.gz", out / "data")
    return source, Dataset.load(out / "data")


def gather_strangers(folder: Path, toy: Path, users: int) -> tuple[list[Answer], float]:
    """Ask a run about people of its toy world who are in no file; also return the seconds."""
    config = read_config(toy).model_copy(update={"num_newcomers": users})
    histories = [History(one.user_id, one.events) for one in draw_newcomers(config)]
    recommender = Recommender.from_pretrained(folder, "cpu")
    asked = [now for now, _ in moments_of(histories)]
    started = time.perf_counter()
    summaries = [
        summary
        for start in range(0, len(asked), AT_ONCE)
        for summary in recommender.interests_many(asked[start : start + AT_ONCE])
    ]
    seconds = time.perf_counter() - started
    table, unknown = recommender.table, np.zeros(0)
    return [
        Answer(summary, now, (), table, (), unknown)
        for summary, now in zip(summaries, asked, strict=True)
    ], seconds


def ask_by_prompt(
    model: str, dtype: str, data: Dataset, users: int
) -> tuple[list[Answer], dict[str, Any]]:
    """Return what a stock chat model says of a sample of users, and its report."""
    recommender = Recommender.zero_shot(model, data.path, ZeroShotConfig(dtype=dtype))
    histories = list(data.histories("test"))
    drawn = np.random.default_rng(0).permutation(len(histories))[:users]
    answers = []
    started = time.perf_counter()
    for place in track(drawn, "users asked"):
        try:
            (summary,) = recommender.interests_many([histories[place]])
        except EngineUnavailable:
            continue  # the report counts it
        answers.append(Answer(summary, histories[place], (), recommender.table, (), np.zeros(0)))
    report = recommender.report()
    report["seconds_per_user"] = (time.perf_counter() - started) / len(drawn)
    report["said"] = [answer.summary.words for answer in answers[:SHOWN]]
    recommender.close()
    return answers, report


def train(name: str, source: Path, left_out: set[str], out: Path) -> Path:
    """Make a run that has never seen some users, unless it is there; return its folder."""
    if (out / "sft" / "manifest.json").exists():
        return out / "sft"
    out.mkdir(parents=True, exist_ok=True)
    events = out / "events.csv.gz"
    rows = read_events(source / "events.csv.gz")
    write_events((row for row in rows if row["user_id"] not in left_out), events)
    prepare(events, source / "items.jsonl.gz", out / "data")
    run("-m", "genrec.cli", "index", "--data", out / "data", "--out", out / "index")
    run(
        *("-m", "genrec.cli", "base", "--data", out / "data", "--index", out / "index"),
        *("--out", out / "base", "--config", "train/configs/demo_base.yaml"),
    )
    launch = ("-m", "accelerate.commands.launch", "--config_file", "train/accelerate/cpu.yaml")
    # The SASRec head says nothing in words. Validation is for the forecast alone.
    common = [f"data={out / 'data'}", "sasrec=null", "validation.every_epochs=100"]
    run(
        *(*launch, "train/pretrain.py", "--config", "train/configs/demo_pretrain.yaml", *common),
        *(f"base={out / 'base'}", f"out={out / 'pretrain'}", *SETTINGS[name]),
    )
    run(
        *(*launch, "train/sft.py", "--config", "train/configs/demo_sft.yaml", *common),
        *(f"base={out / 'pretrain'}", f"out={out / 'sft'}"),
    )
    return out / "sft"


def prepare(events: Path, items: Path, out: Path) -> None:
    if not out.exists():
        run("-m", "genrec.cli", "prepare", "--events", events, "--items", items, "--out", out)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True)


def ask(
    recommender: Recommender, forecaster: Forecaster, histories: Iterable[History]
) -> list[Answer]:
    """Return what a run says at moments spread over every history."""
    table = recommender.table
    everywhere = Counter(
        table.codes_of(event.item_id)[:1]
        for history in recommender.data.histories("train")
        for event in history.events
    )
    popular = [prefix for prefix, _ in everywhere.most_common()]
    asked = moments_of(histories)
    answers = []
    for start in range(0, len(asked), AT_ONCE):
        batch = asked[start : start + AT_ONCE]
        summaries = recommender.interests_many([now for now, _ in batch])
        shares = recommender.forecasts([Request(now) for now, _ in batch])
        chances = forecaster.chances(shares, NEXT_EVENTS)
        answers += [
            Answer(summary, now, later[:NEXT_EVENTS], table, popular, row)
            for summary, (now, later), row in zip(summaries, batch, chances, strict=True)
        ]
    return answers


def moments_of(histories: Iterable[History]) -> list[tuple[History, tuple[Event, ...]]]:
    """Return what had happened, and what had not, at moments spread over every history."""
    return [
        (History(history.user_id, history.events[:place]), history.events[place:])
        for history in histories
        for place in np.unique(
            np.linspace(MIN_EVIDENCE, len(history.events) - 1, MOMENTS).astype(int)
        )
    ]


def check_evidence(answer: Answer) -> tuple[int, int]:
    """Return how many interests are named, in lists or words, and how many have their evidence.

    Counted anew from the events, by other means than the check.
    """
    table = answer.table
    named = {claim.interest: claim.events for _, claim in answer.summary.content.claims()}
    told = [name for name in table.names.values() if name in named]
    held = 0
    for name in told:
        events = [answer.now.events[number - 1] for number in named[name]]
        codes = {table.codes_of(event.item_id)[0] for event in events}
        right = len(codes) == 1 and table.names[tuple(codes)] == name
        held += right and len(set(named[name])) >= MIN_EVIDENCE
    return len(named), held


def measure(answers: Sequence[Answer]) -> dict[str, object]:
    """Return what is true of summaries."""
    evident = [check_evidence(answer) for answer in answers]
    able = [answer for answer in answers if find_interests(answer.now, answer.table)]
    recalled = [recall(answer) for answer in able]
    chosen = [one for one in able if one.summary.by_model and one.summary.interests]
    kept = sum(len(one.summary.interests) for one in chosen)
    wrong = sum(len(one.summary.unsupported) for one in answers)
    cited = sum(one.summary.cited for one in answers)
    return {
        "users": len({one.now.user_id for one in answers}),
        "summaries": len(answers),
        "named": sum(named for named, _ in evident),
        "with_evidence_after_check": _share(
            sum(held for _, held in evident), sum(named for named, _ in evident)
        ),
        "grounded_precision": _share(kept, kept + wrong),
        "grounded_recall": float(np.mean(recalled)) if recalled else 0.0,
        "with_interests": len(able),
        "summaries_that_survive": _share(len(chosen), len(able)),
        "too_little_history": len(answers) - len(able),
        "citations": cited,
        "citations_valid": 1 - _share(sum(one.summary.miscited for one in answers), cited),
        "moved": _share(sum(len(one.summary.moved) for one in answers), kept),
        "interests_per_summary": _share(kept, len(chosen)),
        "in_own_words": _share(sum(map(has_own_words, chosen)), len(chosen)),
    }


def has_own_words(answer: Answer) -> bool:
    """Tell whether a sentence that was kept is the model's own, not one of our wordings."""
    names = list(answer.table.names.values())
    sentences = split_sentences(answer.summary.words, names)
    return any(read_statement(sentence, names) is None for sentence in sentences)


def measure_predictions(answers: Sequence[Answer]) -> dict[str, object]:
    """Return what came true of summaries by a run, which has a forecast."""
    chosen = [one for one in answers if one.summary.by_model and one.summary.interests]
    return {"emerging": measure_emerging(chosen), "predicted": measure_chances(answers)}


def recall(answer: Answer) -> float:
    """Return the share of a user's strongest interests that the model named."""
    strongest = {interest.prefix for interest in find_interests(answer.now, answer.table)}
    named = {one.prefix for one in answer.summary.interests if answer.summary.by_model}
    return len(strongest & named) / len(strongest)


def measure_emerging(answers: Sequence[Answer]) -> dict[str, object]:
    """Return how often emerging interests are met by the events that then came.

    A user's moments are averaged first, so that everyone counts once.
    """
    hits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        names = set(answer.summary.names("emerging"))
        named = [one.prefix for one in answer.summary.interests if one.name in names]
        if not named:
            continue
        table, now = answer.table, answer.now
        future = {table.codes_of(event.item_id)[:1] for event in answer.later}
        own = Counter(table.codes_of(event.item_id)[:1] for event in now.events)
        found = find_interests(now, table, max_interests=len(now.events))
        rivals = {
            "model": named,
            "user": [prefix for prefix, _ in own.most_common()],
            "catalogue": answer.popular,
            "counted": [one.prefix for one in found if one.trend == "emerging"],
        }
        for rival, prefixes in rivals.items():
            met = [prefix in future for prefix in prefixes[: len(named)]]
            hits[rival][now.user_id].append(float(np.mean(met)))
    if not hits:
        return {"users": 0}
    means = {
        rival: np.array([np.mean(moments) for moments in users.values()])
        for rival, users in hits.items()
    }
    leads = {
        rival: paired_difference(means["model"], means[rival])
        for rival in ("user", "catalogue", "counted")
    }
    return {
        "users": len(means["model"]),
        "summaries": sum(map(len, hits["model"].values())),
        "hit_rate": {rival: float(values.mean()) for rival, values in means.items()},
        "lead": {rival: [lead.mean, lead.low, lead.high] for rival, lead in leads.items()},
    }


def measure_chances(answers: Sequence[Answer]) -> list[dict[str, float]]:
    """Return how often interests that began late went on, beside the chance they were given.

    Only where all of the next events are known, by the chance.
    """
    pairs = []
    for answer in answers:
        if len(answer.later) == NEXT_EVENTS:
            future = set(answer.table.first_codes(event.item_id for event in answer.later))
            found = find_interests(answer.now, answer.table, max_interests=len(answer.now.events))
            late = [one.prefix[0] for one in found if one.trend == "emerging"]
            pairs += [(answer.chances[code], code in future) for code in late]
    chance, met = np.array(pairs, dtype=float).reshape(-1, 2).T
    bins = np.minimum((chance * len(CHANCES)).astype(int), len(CHANCES) - 1)
    return [
        {
            "at_least": CHANCES[place],
            "interests": int((bins == place).sum()),
            "chance": float(chance[bins == place].mean()),
            "met": float(met[bins == place].mean()),
        }
        for place in np.unique(bins)
    ]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/summaries"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--zero-shot", metavar="MODEL", help="ask a stock chat model instead")
    parser.add_argument("--run", type=Path, help="ask this run instead; needs --toy")
    parser.add_argument("--toy", type=Path, help="the toy world that --run was trained on")
    parser.add_argument("--users", type=int, default=40, help="of --zero-shot and --run")
    parser.add_argument("--dtype", default="auto", help="of the weights of --zero-shot in process")
    arguments = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    if arguments.run:
        answers, seconds = gather_strangers(arguments.run, arguments.toy, arguments.users)
        found["toy"] = measure(answers) | {"summaries_per_s": len(answers) / seconds}
    for name in () if arguments.run else arguments.sets:
        source, out = arguments.data / name, arguments.out / name
        if arguments.zero_shot:
            _, data = prepare_set(name, source, out)
            answers, report = ask_by_prompt(
                arguments.zero_shot,
                arguments.dtype,
                data,
                arguments.users,
            )
            found[name] = measure(answers) | report
        else:
            answers, seconds = gather(name, source, out)
            found[name] = measure(answers) | measure_predictions(answers)
            found[name]["summaries_per_s"] = len(answers) / seconds
    console.print_json(json.dumps(found))


if __name__ == "__main__":
    main()
