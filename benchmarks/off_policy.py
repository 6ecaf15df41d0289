"""Two real policies of one A/B test, each judged from the other's log.

    python benchmarks/off_policy.py --data ../shared/data/open_bandit
    python benchmarks/off_policy.py --json

The Open Bandit Dataset (Saito et al., arXiv 2008.07146): a uniform policy and Bernoulli Thompson
sampling (bts), side by side in two campaigns. `bts` learned as it went on, and its log holds only
the probabilities of what it showed: as a target it is how often it showed each item at a position.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich import box
from rich.table import Table

from genrec.experiments import evaluate_policy
from genrec.experiments.columns import read_table
from genrec.progress import console

CAMPAIGNS = ("men", "women")
POLICIES = ("random", "bts")
PRIOR_SHOWN = 200
"""Impressions at the mean click rate that an item's click rate starts from."""


@dataclass(frozen=True)
class Log:
    """What one policy showed in one campaign.

    Attributes:
        items: Shape: (N,).
        positions: From 0. Shape: (N,).
        clicks: Shape: (N,).
        propensities: Shape: (N,).
    """

    items: np.ndarray
    positions: np.ndarray
    clicks: np.ndarray
    propensities: np.ndarray

    @classmethod
    def load(cls, folder: Path, policy: str, campaign: str) -> Log:
        """Read a log."""
        table = read_table(folder / f"{policy}_{campaign}.csv.gz")
        columns = ("item_id", "position", "click", "propensity_score")
        items, positions, clicks, propensities = (table[name].to_numpy() for name in columns)
        return cls(items.astype(int), positions - 1, clicks, propensities)

    def shares(self, num_items: int) -> np.ndarray:
        """Return how often each item was shown at each position. Shape: (positions, items)."""
        counts = np.zeros((self.positions.max() + 1, num_items))
        np.add.at(counts, (self.positions, self.items), 1)
        return counts / counts.sum(axis=1, keepdims=True)

    def click_rates(self, rows: np.ndarray, num_items: int) -> np.ndarray:
        """Return each item's smoothed click rate in some rows. Shape: (items,)."""
        items, clicks = self.items[rows], self.clicks[rows]
        shown = np.bincount(items, minlength=num_items)
        clicked = np.bincount(items, clicks, minlength=num_items)
        return (clicked + PRIOR_SHOWN * clicks.mean()) / (shown + PRIOR_SHOWN)


def judge(log: Log, target: np.ndarray) -> dict[str, Any]:
    """Estimate a target's click rate from another policy's log.

    Args:
        log: Of the other policy.
        target: Probability of each item at each position. Shape: (positions, items).
    """
    predicted, expected = np.zeros(len(log.items)), np.zeros(len(log.items))
    half = np.arange(len(log.items)) % 2
    for fold in (0, 1):
        rates = log.click_rates(half != fold, target.shape[1])
        mine = half == fold
        predicted[mine] = rates[log.items[mine]]
        expected[mine] = (target @ rates)[log.positions[mine]]
    frame = {
        "reward": log.clicks,
        "propensity": log.propensities,
        "target_propensity": target[log.positions, log.items],
        "predicted": predicted,
        "expected": expected,
    }
    return evaluate_policy(pa.table(frame)).to_json()


def measure(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what each log says of the other policy, beside that policy's own click rate."""
    found = {}
    for campaign in CAMPAIGNS:
        logs = {policy: Log.load(folder, policy, campaign) for policy in POLICIES}
        num_items = 1 + max(int(log.items.max()) for log in logs.values())
        uniform = np.full((3, num_items), 1 / num_items)
        targets = {"random": uniform, "bts": logs["bts"].shares(num_items)}
        for logged, target in (POLICIES, POLICIES[::-1]):
            report = judge(logs[logged], targets[target])
            report["own_click_rate"] = own = float(logs[target].clicks.mean())
            for each in report["estimates"].values():
                each["covers"] = each["low"] <= own <= each["high"]
            found[f"{campaign}: {target} from {logged}'s log"] = report
    return found


def show(found: dict[str, dict[str, Any]]) -> None:
    """Print a table, in clicks of a thousand impressions."""
    table = Table(title="Clicks of 1,000 impressions", box=box.SIMPLE, title_justify="left")
    names = list(next(iter(found.values()))["estimates"])
    for column in ("", "own", *names, "effective rows"):
        table.add_column(column, justify="right" if column else "left")
    for name, report in found.items():
        cells = [
            "{value:.1f} ({low:.1f} to {high:.1f})".format(
                **{end: 1000 * each[end] for end in ("value", "low", "high")}
            )
            + ("" if each["covers"] else " misses")
            for each in report["estimates"].values()
        ]
        own, effective = 1000 * report["own_click_rate"], report["effective_lists"]
        table.add_row(name, f"{own:.1f}", *cells, f"{effective:,.0f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/open_bandit"))
    parser.add_argument("--json", action="store_true", help="print JSON to standard output")
    arguments = parser.parse_args()
    found = measure(arguments.data)
    show(found)
    if arguments.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
