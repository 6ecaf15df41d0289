"""Do experiments keep their promises? Simulated users, with what is planted known.

    python benchmarks/experiments.py
    python benchmarks/experiments.py --json

A/B tests of users who come back, looked at every day, without and with a planted lift; beside the
confidence sequences, the z-test that an impatient reader would repeat. The same of interleaving.
Off-policy estimates of single items and of lists, from logs with exploration, against the truth
that is reckoned over every list that could be shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import pyarrow as pa
from rich import box
from rich.table import Table
from scipy.special import ndtr

from genrec.experiments import (
    Experiment,
    Metric,
    analyse,
    evaluate_policy,
    explore,
    judge,
    propensities,
    team_draft,
)
from genrec.experiments.confidence import user_mean
from genrec.progress import console, track

DAYS = 28
USERS = 20_000
CLICK_RATE = 0.1
SPREAD = 20.0
"""Of users' own click rates: Beta(2, 18); two clicks of a user have a correlation of 1/21."""
EVEN, UNEVEN = {"old": 1, "new": 1}, {"old": 9, "new": 1}
CLICK_RATE_METRIC = Metric("clicks", per="impressions")


@dataclass(frozen=True)
class Traffic:
    """An A/B test as it went on.

    Attributes:
        arms: Arm of each user, "old" or "new". Shape: (U,).
        impressions: Of each user up to each day. Shape: (U, DAYS).
        clicks: Likewise.
    """

    arms: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray

    def until(self, day: int) -> pa.Table:
        """Return each user's sums at the end of a day."""
        seen = np.flatnonzero(self.impressions[:, day])
        return pa.table(
            {
                "user_id": seen,
                "arm": self.arms[seen],
                "impressions": self.impressions[seen, day],
                "clicks": self.clicks[seen, day],
            }
        )


def draw_rates(count: int, click_rate: float, rng: np.random.Generator) -> np.ndarray:
    """Draw users' own click rates. Shape: (count,)."""
    return rng.beta(click_rate * SPREAD, (1 - click_rate) * SPREAD, count)


def draw_traffic(
    experiment: Experiment, click_rate: float, lift: float, rng: np.random.Generator
) -> Traffic:
    """Draw users who arrive on some day and come back, each with a click rate of their own."""
    arms = np.array(experiment.assign_many(range(USERS)))
    rates = draw_rates(USERS, click_rate, rng)
    rates = np.minimum(rates * np.where(arms == "new", 1 + lift, 1), 1)
    has_come = rng.integers(DAYS, size=USERS)[:, None] <= np.arange(DAYS)
    impressions = rng.poisson(0.5, (USERS, DAYS)) * has_come
    clicks = rng.binomial(impressions, rates[:, None])
    return Traffic(arms, impressions.cumsum(axis=1), clicks.cumsum(axis=1))


def repeated_z_test(sums: pa.Table, by_user: bool) -> bool:
    """Whether a z-test of this look alone would call a winner."""
    arms, clicks, shown = (sums[column].to_numpy() for column in ("arm", "clicks", "impressions"))
    means = [user_mean(clicks[arms == arm], shown[arms == arm]) for arm in ("old", "new")]
    if by_user:
        variance = sum(mean.variance for mean in means)
    else:
        totals = [shown[arms == arm].sum() for arm in ("old", "new")]
        variance = sum(
            mean.value * (1 - mean.value) / total for mean, total in zip(means, totals, strict=True)
        )
    return bool(2 * ndtr(-abs(means[1].value - means[0].value) / np.sqrt(variance)) < 0.05)


def run_ab_tests(
    count: int, lift: float, weights: dict[str, float] = EVEN, click_rate: float = CLICK_RATE
) -> dict[str, float]:
    """Return the share of tests that call a winner at any look, by each method."""
    called = {"winner": 0, "right": 0, "mismatch": 0, "z_by_user": 0, "z_by_impression": 0}
    days = []
    for number in track(range(count), f"A/B tests, lift {lift:.0%}"):
        experiment = Experiment(f"{lift}-{number}", weights)
        rng = np.random.default_rng([number, int(lift * 100)])
        traffic = draw_traffic(experiment, click_rate, lift, rng)
        looks = [traffic.until(day) for day in range(DAYS)]
        results = [analyse(experiment, look, CLICK_RATE_METRIC) for look in looks]
        winners = [result.winner for result in results]
        first = next((day for day, winner in enumerate(winners) if winner), None)
        called["winner"] += first is not None
        called["right"] += first is not None and winners[first] == "new"
        called["mismatch"] += any(result.has_mismatch for result in results)
        called["z_by_user"] += any(repeated_z_test(look, by_user=True) for look in looks)
        called["z_by_impression"] += any(repeated_z_test(look, by_user=False) for look in looks)
        days += [] if first is None else [first + 1]
    shares = {name: times / count for name, times in called.items()}
    return {"tests": count, **shares, "median_day": float(np.median(days)) if days else np.nan}


LISTS, SHOWN = 4_000, 10
LOOK_EVERY = 100


def run_interleaving(count: int, lift: float) -> dict[str, float]:
    """Return the share of interleavings, and of A/B tests of as many lists, that call a winner.

    Both rankings show their own items; those of the second are clicked more. A user sees a list.
    """
    found, right, ab_found = 0, 0, 0
    looks = range(LOOK_EVERY, LISTS + 1, LOOK_EVERY)
    for number in track(range(count), f"interleaving, lift {lift:.0%}"):
        rng = np.random.default_rng([number, int(lift * 100), 1])
        rates = draw_rates(LISTS, CLICK_RATE, rng)
        users = [f"user-{user}" for user in range(LISTS)]
        credits = [draw_credit(rate, lift, rng) for rate in rates]
        lists = pa.table({"user_id": users, "credit": credits})
        winners = (judge(lists.slice(0, size)).winner for size in looks)
        winner = next((winner for winner in winners if winner), None)
        found += winner is not None
        right += winner == "second"
        experiment = Experiment(f"lists-{lift}-{number}", {"old": 1, "new": 1})
        arms = np.array(experiment.assign_many(users))
        clicks = rng.binomial(SHOWN, np.minimum(rates * np.where(arms == "new", 1 + lift, 1), 1))
        lists = pa.table({"user_id": users, "arm": arms, "clicks": clicks})
        tests = (analyse(experiment, lists.slice(0, size), Metric("clicks")) for size in looks)
        ab_found += any(test.winner for test in tests)
    shares = {"winner": found / count, "right": right / count, "ab_winner": ab_found / count}
    return {"tests": count, **shares}


def draw_credit(rate: float, lift: float, rng: np.random.Generator) -> int:
    """Return the credit of a mixed list that a user with this click rate saw."""
    first, second = range(SHOWN), range(SHOWN, 2 * SHOWN)
    shown = team_draft(first, second, SHOWN, rng)
    chances = rate * np.where(np.array(shown.teams) == "second", 1 + lift, 1)
    clicked = np.flatnonzero(rng.random(SHOWN) < chances)
    return shown.credit({shown.items[place] for place in clicked})


SEGMENTS, ITEMS, LIST_LENGTH = 3, 6, 3
EXPLORE = (0.5, 0.3)
"""Rates of exploration, the same for the policy that is logged and the one that is judged."""
LOGGED_LISTS = 4_000
STOP_AFTER_CLICK = 0.5


@dataclass(frozen=True)
class Shop:
    """What there is to click, and two models' rankings of it.

    Attributes:
        chances: Of a click on an item that is looked at. Shape: (SEGMENTS, ITEMS).
        old: Ranking of the policy that is logged, by segment.
        new: Of the policy to judge.
    """

    chances: np.ndarray
    old: list[list[int]]
    new: list[list[int]]


def draw_shop(rng: np.random.Generator) -> Shop:
    """Draw a shop in which the new model knows chances better than the old one."""
    chances = rng.beta(1.5, 8, (SEGMENTS, ITEMS))
    rankings = [
        np.argsort(-(chances + rng.normal(0, error, chances.shape)), axis=1).tolist()
        for error in (0.15, 0.05)
    ]
    return Shop(chances, *rankings)


def expected_clicks(chances: np.ndarray) -> float:
    """Return the clicks of a list read from the top, where half of the clicks end the reading."""
    reached, clicks = 1.0, 0.0
    for chance in chances:
        clicks += reached * chance
        reached *= 1 - chance * STOP_AFTER_CLICK
    return clicks


def true_value(shop: Shop, length: int, explore_rate: float) -> float:
    """Return the clicks a list of the new policy gets, over every list that it may show."""
    total = 0.0
    for chances, ranking in zip(shop.chances, shop.new, strict=True):
        for items in permutations(range(ITEMS), length):
            probability = np.prod(propensities(items, ranking, explore_rate))
            total += probability * expected_clicks(chances[list(items)])
    return total / SEGMENTS


def log_rows(
    shop: Shop, length: int, explore_rate: float, rng: np.random.Generator
) -> Iterator[dict]:
    """Yield what the old policy showed, and what was clicked; users see two lists each."""
    for number in range(LOGGED_LISTS):
        user = number // 2
        segment = user % SEGMENTS
        shown = explore(shop.old[segment], length, explore_rate, rng)
        target = propensities(shown.items, shop.new[segment], explore_rate)
        reads_on = True
        for rank, item in enumerate(shown.items):
            clicks = reads_on and rng.random() < shop.chances[segment, item]
            reads_on = reads_on and not (clicks and rng.random() < STOP_AFTER_CLICK)
            yield {
                "user_id": f"user-{user}",
                "recommendation_id": f"list-{number}",
                "rank": rank + 1,
                "item_id": str(item),
                "segment": segment,
                "propensity": shown.propensities[rank],
                "target_propensity": target[rank],
                "reward": int(clicks),
            }


def add_predictions(rows: list[dict], shop: Shop, earlier: list[dict], explore_rate: float) -> None:
    """Add a crude reward model's guesses: an item's click rate in earlier rows, users unknown."""
    clicks, shown = np.ones(ITEMS), np.full(ITEMS, 10.0)
    for row in earlier:
        shown[int(row["item_id"])] += 1
        clicks[int(row["item_id"])] += row["reward"]
    guesses = clicks / shown
    for row in rows:
        ranking = shop.new[row["segment"]]
        chances = [propensities([item], ranking, explore_rate)[0] for item in range(ITEMS)]
        row["predicted"] = guesses[int(row["item_id"])]
        row["expected"] = float(np.dot(chances, guesses))


def draw_log(shop: Shop, length: int, explore_rate: float, rng: np.random.Generator) -> pa.Table:
    """Return a log; one of single items has no columns of lists, but predictions."""
    rows = list(log_rows(shop, length, explore_rate, rng))
    if length > 1:
        return pa.Table.from_pylist(rows)
    add_predictions(rows, shop, list(log_rows(shop, length, explore_rate, rng)), explore_rate)
    return pa.Table.from_pylist(rows).drop_columns(["recommendation_id", "rank"])


def run_off_policy(count: int) -> dict[str, dict[str, float]]:
    """Return how often each estimator's interval holds the truth, and its relative error."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for number, explore_rate in track(list(product(range(count), EXPLORE)), "off-policy estimates"):
        rng = np.random.default_rng([number, 2])
        shop = draw_shop(rng)
        for length, kind in ((1, "items"), (LIST_LENGTH, f"lists of {LIST_LENGTH}")):
            truth = true_value(shop, length, explore_rate)
            report = evaluate_policy(draw_log(shop, length, explore_rate, rng))
            for each in report.estimates:
                low, high = each.interval.low, each.interval.high
                errors = (low <= truth <= high, each.interval.value / truth - 1)
                name = f"{kind}, {explore_rate:.0%} explored: {each.name}"
                found.setdefault(name, []).append(
                    (*errors, (high - low) / truth, report.effective_lists)
                )
    summary = {}
    for name, runs in found.items():
        covered, errors, widths, effective = np.array(runs).T
        summary[name] = {
            "runs": count,
            "coverage": float(covered.mean()),
            "relative_rmse": float(np.sqrt(np.mean(errors**2))),
            "median_relative_width": float(np.median(widths)),
            "median_effective_lists": float(np.median(effective)),
        }
    return summary


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a table: a line for each of the rows."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    table.add_column("")
    columns = list(next(iter(rows.values())))
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, figures in rows.items():
        table.add_row(name, *(f"{figures[column]:.3g}" for column in columns))
    console.print(table)


PARTS: dict[str, tuple[str, Callable[[], dict[str, dict[str, float]]]]] = {
    "ab": (
        f"A/B tests of {USERS:,} users, looked at each day for {DAYS} days: share with a winner",
        lambda: {
            "A/A": run_ab_tests(200, 0.0),
            "A/A, 1% clicks, arms 9:1": run_ab_tests(200, 0.0, UNEVEN, click_rate=0.01),
            "lift of 10%": run_ab_tests(50, 0.1),
        },
    ),
    "interleaving": (
        f"Interleaving, and an A/B test, of {LISTS:,} lists looked at after every {LOOK_EVERY}",
        lambda: {"alike": run_interleaving(200, 0.0), "lift of 10%": run_interleaving(50, 0.1)},
    ),
    "off_policy": (
        f"Off-policy estimates from {LOGGED_LISTS:,} logged lists against the truth: 95% intervals",
        lambda: run_off_policy(50),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON to standard output")
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    arguments = parser.parse_args()
    found = {}
    for name in arguments.part or PARTS:
        title, run = PARTS[name]
        found[name] = run()
        show(title, found[name])
    if arguments.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
