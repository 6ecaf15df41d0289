"""Is what is said of interests true? Planted births and trends are found, windows predicted.

Toy world: a birth is found where it lies within 3 events of the first event that a planted interest
caused; a reported birth is false where no interest was planted. Trends are the planted ones.

Real data: windows held out by `genrec prepare --set held_out=n`, whose forecast is fitted to the
validation windows. Baselines are smoothed with what everybody takes; how much, and how fast the
decayed one fades, is chosen on the same validation windows.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.interests.timeline.forecast import decayed, succession
from genrec.metrics import dcg
from genrec.recommender import Recommender
from genrec.schema import Event, Request

WITHIN = 3
TRENDS = ("emerging", "steady", "fading")
FLOORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
HALF_LIVES = (2, 4, 8, 16, 32, 64)
SPLITS = ("valid", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", type=Path, help="run on a toy world")
    parser.add_argument("--truth", type=Path, help="truth.json of that world")
    parser.add_argument("--run", type=Path, action="append", default=[], help="on held-out windows")
    arguments = parser.parse_args()
    if arguments.toy:
        planted(
            Recommender.from_pretrained(arguments.toy),
            json.loads(arguments.truth.read_text("utf-8")),
        )
    for run in arguments.run:
        predicted(Recommender.from_pretrained(run))


def planted(recommender: Recommender, truth: dict) -> None:
    """Print how many planted births are found, and how well trends are told."""
    themes: dict[int, Counter] = {}
    for item_id, codes in zip(recommender.table.item_ids, recommender.table.codes, strict=True):
        themes.setdefault(int(codes[0]), Counter())[truth["items"][item_id]["theme"]] += 1
    theme_of = {code: counts.most_common(1)[0][0] for code, counts in themes.items()}
    pure = sum(counts.most_common(1)[0][1] for counts in themes.values()) / len(recommender.table)
    histories = list(recommender.data.histories("test"))
    evolutions = [
        evolution
        for start in range(0, len(histories), 64)
        for evolution in recommender.evolutions(
            [Request(history) for history in histories[start : start + 64]]
        )
    ]
    found, users, delays, reported, false, held = [], [], [], 0, 0, 0
    labels, told = [], []
    for evolution in evolutions:
        user = truth["users"][evolution.user_id]
        kept = {interest["theme"]: interest for interest in user["interests"]}
        met = [theme_of[evolution.prefixes[column][0]] for column in evolution.met]
        births = {theme_of[birth.prefix[0]]: birth for birth in evolution.births}
        reported += len(births)
        false += sum(theme not in kept for theme in births)
        held += sum(theme in kept and kept[theme]["birth"] is None for theme in births)
        mine = []
        for theme, interest in kept.items():
            if theme in met and interest["birth"] is not None:
                hit = theme in births and abs(births[theme].place - met.index(theme)) <= WITHIN
                mine.append(hit)
                if hit:
                    delays.append(births[theme].known - met.index(theme))
        found += mine
        users += [all(mine)] if mine else []
        for interest in evolution.interests:
            theme = theme_of[interest.prefix[0]]
            if theme in kept:
                labels.append(kept[theme]["trend"])
                told.append("steady" if interest.trend == "returned" else interest.trend)
    each = f1_score(labels, told, labels=list(TRENDS), average=None)
    print(f"toy world, {len(users)} users with births, codes are themes by {pure:.0%}")
    print(f"  users whose planted births were all found: {np.mean(users):.1%}")
    print(f"  births found: {np.mean(found):.1%} of {len(found)}")
    print(f"  known within {WITHIN} events: {np.mean(np.array(delays) <= WITHIN):.1%} of these")
    print(f"  false births: {false / reported:.1%} of {reported} (none planted)")
    print(f"  reported births of interests planted from the start: {held / reported:.1%}")
    print(f"  trends: macro-F1 {each.mean():.3f} of {len(labels)}; ", end="")
    print(", ".join(f"{name} {value:.3f}" for name, value in zip(TRENDS, each, strict=True)))
    moving = [place for place, label in enumerate(labels) if label != "steady"]
    moved = f1_score(
        [labels[place] for place in moving],
        [told[place] for place in moving],
        labels=["emerging", "fading"],
        average=None,
    )
    print(f"  among the {len(moving)} that are planted to emerge or fade: ", end="")
    print(f"macro-F1 {moved.mean():.3f}; emerging {moved[0]:.3f}, fading {moved[1]:.3f}")


def predicted(recommender: Recommender) -> None:
    """Print how well the next window is predicted, beside the baselines."""
    data, table = recommender.data, recommender.table
    in_use = np.bincount(table.codes[:, 0], minlength=table.codebook_size) > 0

    def codes_of(events: Sequence[Event]) -> np.ndarray:
        return table.first_codes(event.item_id for event in events)

    popularity, _ = succession([codes_of(one.events) for one in data.histories("train")], in_use)
    known = {
        split: [codes_of(one.history.events) for one in data.examples(split)] for split in SPLITS
    }
    windows = {split: [codes_of(one.targets) for one in data.examples(split)] for split in SPLITS}
    length = len(windows["test"][0])
    requests = [Request(example.history) for example in data.examples("test")]

    def tuned(shares: Callable[..., np.ndarray], grid: list[tuple]) -> np.ndarray:
        best = min(
            grid,
            key=lambda values: log_loss(
                np.stack([shares(codes, *values) for codes in known["valid"]]), windows["valid"]
            ).mean(),
        )
        return np.stack([shares(codes, *best) for codes in known["test"]])

    floors = [(floor,) for floor in FLOORS]
    forecasts = {
        "genrec": recommender.forecasts(requests),
        "last window": tuned(lambda c, f: decayed(c[-length:], np.inf, popularity, f), floors),
        "all history": tuned(lambda c, f: decayed(c, np.inf, popularity, f), floors),
        "decayed history": tuned(
            lambda c, half_life, f: decayed(c, half_life, popularity, f),
            [(half_life, floor) for half_life in HALF_LIVES for floor in FLOORS],
        ),
    }
    losses = {name: log_loss(shares, windows["test"]) for name, shares in forecasts.items()}
    gains = {name: ndcg(shares, windows["test"]) for name, shares in forecasts.items()}
    print(f"{data.path}: {len(requests)} users, windows of {length} events")
    for name in forecasts:
        better = paired_difference(losses[name], losses["genrec"])
        lead = paired_difference(gains["genrec"], gains[name])
        mean = intervals({"loss": losses[name], "ndcg": gains[name]})
        print(
            f"  {name:16} log-loss {mean['loss'].mean:.4f} NDCG@3 {mean['ndcg'].mean:.4f}"
            f"  genrec better by {better.mean:.4f} ({better.low:.4f} to {better.high:.4f})"
            f" and {lead.mean:.4f} ({lead.low:.4f} to {lead.high:.4f})"
        )


def log_loss(shares: np.ndarray, windows: list[np.ndarray]) -> np.ndarray:
    """Return each window's mean negative log share, nats. Shape: (B,)."""
    return np.array(
        [-np.log(row[window]).mean() for row, window in zip(shares, windows, strict=True)]
    )


def ndcg(shares: np.ndarray, windows: list[np.ndarray], k: int = 3) -> np.ndarray:
    """Return NDCG@k, where an interest is worth its share of the window. Shape: (B,)."""
    gains = []
    for row, window in zip(shares, windows, strict=True):
        worth = np.bincount(window, minlength=len(row))
        ranked = worth[np.argsort(-row, kind="stable")]
        gains.append(dcg(ranked, k) / dcg(np.sort(worth)[::-1], k))
    return np.array(gains)


if __name__ == "__main__":
    main()
