"""Do the events that an explanation names raise the item more than others do?

    python benchmarks/explanations.py --run runs/demo/sft [--run RUN ...] [--users 300]

For users with at least six events before their test event, two items are explained: the one
recommended first, and the one that in truth came next. Where the prompt has room for at least six
events, those named (at most three) are deleted together, and so are three drawn at random from what
is read, twenty times; a draw that is exactly what was named is drawn again. The share of draws that
cost the item less than what was named is reported with a 95% bootstrap interval over users. A case
in which nothing is named makes no claim; it is counted apart, and once more as a failure. Beside it
as `single`: the three events with the largest effects of their own, instead of those searched for.

Also: how far the sum of single effects is from the effect of the whole history (the residual), and
how much faster scores are where prompts of a call share their beginnings. Prints JSON; ends with an
error where a share lies below --require.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from genrec.engines import torch as torch_engine
from genrec.interests.explain.deletion import (
    MAX_EVIDENCE,
    Attribution,
    Explanation,
    score_deletions,
)
from genrec.recommender import Recommender
from genrec.schema import Request

MIN_EVENTS = 6
DRAWS = 20
AT_ONCE = 16
TIMED = 40
RESAMPLES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, action="append", required=True)
    parser.add_argument(
        "--users", type=int, default=300, help="a sample; fewer where there are fewer"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--require", type=float, default=0.95, help="least share of each case")
    arguments = parser.parse_args()
    torch_engine.torch.set_num_threads(arguments.threads)
    reports = [measure(run, arguments.users, arguments.seed) for run in arguments.run]
    print(json.dumps(reports, indent=2))
    shares = [report[case]["share"] for report in reports for case in ("recommended", "true_next")]
    if min(shares) < arguments.require:
        sys.exit(f"a share of {min(shares):.3f} lies below {arguments.require}")


def measure(run: Path, num_users: int, seed: int) -> dict[str, Any]:
    """Explain items of a sample of users, and delete what is named."""
    recommender = Recommender.from_pretrained(run, "cpu")
    rng = random.Random(seed)
    examples = list(recommender.data.examples("test"))
    long_enough = [one for one in examples if len(one.history.events) >= MIN_EVENTS]
    sample = rng.sample(long_enough, min(num_users, len(long_enough)))
    requests = [
        Request(one.history, one.targets[0].timestamp, one.targets[0].event_type) for one in sample
    ]
    first = [found[0].item_id for found in recommender.rank_many(requests, 1)]
    targets = [one.targets[0].item_id for one in sample]
    return {
        "run": run.name,
        "data": recommender.data.path.parent.name,
        "users": len(sample),
        "users_left_out_with_fewer_events": len(examples) - len(long_enough),
        "recommended": compare(recommender, list(zip(requests, first, strict=True)), rng),
        "true_next": compare(recommender, list(zip(requests, targets, strict=True)), rng),
        "sharing_beginnings_is_faster_by": round(speed(recommender, requests, first), 2),
    }


def compare(
    recommender: Recommender, questions: Sequence[tuple[Request, str]], rng: random.Random
) -> dict[str, Any]:
    """Delete what is named, and three events drawn at random."""
    explained: list[Explanation] = []
    for start in range(0, len(questions), AT_ONCE):
        explained += recommender.explain_many(questions[start : start + AT_ONCE])
    wins, lone_wins, drops = [], [], []
    for (request, item_id), why in zip(questions, explained, strict=True):
        if len(why.effects) < MIN_EVENTS:
            continue
        named = frozenset(effect.place for effect in why.evidence)
        ranked = sorted(why.effects, key=lambda effect: -effect.nats)
        lone = frozenset(effect.place for effect in ranked[:MAX_EVIDENCE])
        places = [effect.place for effect in why.effects]
        deleted = [named, lone, *draw(places, {named, lone}, rng)]
        view = recommender._run.encoder.views([request.history])[0]
        attribution = Attribution(request, item_id, view)
        score_deletions([attribution], recommender.score_many, [deleted])
        left = np.array([attribution.scores[events] for events in deleted])
        by_named, by_lone, *by_chance = (why.score - left).tolist()
        wins.append(np.mean([by_named > one for one in by_chance]))
        lone_wins.append(np.mean([by_lone > one for one in by_chance]))
        drops.append((by_named, by_lone, np.mean(by_chance)))
    explained = [why for why in explained if len(why.effects) >= MIN_EVENTS]
    claims = np.array([bool(why.evidence) for why in explained])
    share, low, high = interval(np.array(wins)[claims])
    residuals = np.array([why.residual for why in explained])
    wholes = np.array([why.whole for why in explained])
    return {
        "cases": len(explained),
        "left_out_with_fewer_events_read": len(questions) - len(explained),
        "share": round(share, 4),
        "interval": [round(low, 4), round(high, 4)],
        "nothing_named": int((~claims).sum()),
        "share_if_nothing_named_is_a_failure": round(float(np.mean(np.array(wins) * claims)), 4),
        "share_of_single": round(float(np.mean(lone_wins)), 4),
        "named_each": round(float(np.mean([len(why.evidence) for why in explained])), 2),
        "mean_drop_nats": dict(
            zip(
                ("named", "single", "random"), np.mean(drops, axis=0).round(3).tolist(), strict=True
            )
        ),
        "whole_nats": {"mean": round(float(wholes.mean()), 3)},
        "residual_nats": {
            "mean": round(float(residuals.mean()), 3),
            "median_absolute": round(float(np.median(np.abs(residuals))), 3),
            "quantiles_5_95": np.quantile(residuals, [0.05, 0.95]).round(3).tolist(),
        },
    }


def draw(
    places: Sequence[int], taken: set[frozenset[int]], rng: random.Random
) -> list[frozenset[int]]:
    """Draw sets of three events, none of them one of those taken."""
    found: list[frozenset[int]] = []
    while len(found) < DRAWS:
        drawn = frozenset(rng.sample(places, MAX_EVIDENCE))
        if drawn not in taken:
            found.append(drawn)
    return found


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over users with a 95% bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return float(values.mean()), *map(float, np.quantile(drawn, [0.025, 0.975]))


def speed(recommender: Recommender, requests: Sequence[Request], item_ids: Sequence[str]) -> float:
    """Return how often faster all deletions of a history are scored with beginnings shared."""
    took = {"shared": 0.0, "apart": 0.0}
    apart = patch.object(
        torch_engine, "find_families", lambda prompts: ([], list(range(len(prompts))))
    )
    for request, item_id in zip(requests[:TIMED], item_ids[:TIMED], strict=True):
        history = request.history
        asked = [replace(request, history=history.without([n])) for n in range(len(history.events))]
        start = time.perf_counter()
        recommender.score_many(asked, [item_id] * len(asked))
        took["shared"] += time.perf_counter() - start
        with apart:
            start = time.perf_counter()
            recommender.score_many(asked, [item_id] * len(asked))
            took["apart"] += time.perf_counter() - start
    return took["apart"] / took["shared"]


if __name__ == "__main__":
    main()
