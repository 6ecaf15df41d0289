"""What came of the days: a table by arm and day, and how the arms compare."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from genrec.evaluate.bootstrap import Interval, paired_difference
from genrec.experiments.confidence import user_mean

_DEVIATIONS = 1.96
LAST_DAYS = 10
"""The arms are compared by so many days at the end."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One page and what came of it.

    Attributes:
        arm: Whose page.
        day: From 0.
        user_id: Who saw it.
        items: What was shown, by rank.
        clicks: Items clicked.
        purchases: Of these, bought.
    """

    arm: str
    day: int
    user_id: str
    items: tuple[str, ...]
    clicks: int
    purchases: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """One arm on one day.

    Attributes:
        arm: Name.
        day: From 1.
        pages: Shown.
        impressions: Items shown.
        clicks: Of these.
        purchases: Of the clicks.
        click_through: Clicks per impression.
        low: Lower end of its 95% interval over users; NaN where one user alone came.
        high: Upper end.
        coverage: Share of the catalogue shown.
    """

    arm: str
    day: int
    pages: int
    impressions: int
    clicks: int
    purchases: int
    click_through: float
    low: float
    high: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against an earlier one, by clicks of a user over the last days.

    Attributes:
        arm: The later one.
        control: The earlier one.
        days: How many days at the end.
        control_mean: Clicks of a user under the earlier arm.
        difference: What the later arm adds to that, with its paired bootstrap interval.
    """

    arm: str
    control: str
    days: int
    control_mean: float
    difference: Interval

    def __str__(self) -> str:
        gained = self.difference
        if not self.control_mean:
            return f"{self.arm} against {self.control}: {self.control} had no click"
        mean, low, high = (
            f"{value / self.control_mean:+.1%}" for value in (gained.mean, gained.low, gained.high)
        )
        return f"{self.arm} against {self.control}: {mean} clicks [{low}, {high}]"


@dataclass
class Results:
    """All visits of a simulation.

    Attributes:
        arms: Names, the control first.
        days: How many.
        num_items: Of the catalogue.
        visits: In the order in which they came.
    """

    arms: Sequence[str]
    days: int
    num_items: int
    visits: list[Visit] = field(default_factory=list)

    def rows(self) -> list[DayRow]:
        """Return one row for each day and arm on it."""
        return [self._row(arm, day) for day in range(self.days) for arm in self.arms]

    def comparisons(self) -> list[Comparison]:
        """Return how each arm compares with each one before it over the last days.

        Every arm met the same users on the same days, so users are compared with themselves.
        """
        last = min(LAST_DAYS, self.days)
        clicks = {arm: Counter[str]() for arm in self.arms}
        users: set[str] = set()
        for visit in self.visits:
            if visit.day >= self.days - last:
                users.add(visit.user_id)
                clicks[visit.arm][visit.user_id] += visit.clicks
        if not users:
            return []
        table = {
            arm: np.array([count[user_id] for user_id in sorted(users)], dtype=float)
            for arm, count in clicks.items()
        }
        return [
            Comparison(
                *(arm, control, last, float(table[control].mean())),
                paired_difference(table[arm], table[control]),
            )
            for control, arm in itertools.combinations(self.arms, 2)
        ]

    def summary(self) -> str:
        """Return one line: every arm's clicks per page over the last days, and comparisons."""
        last = min(LAST_DAYS, self.days)
        rates = []
        for arm in self.arms:
            mine = [v for v in self.visits if v.arm == arm and v.day >= self.days - last]
            rate = sum(visit.clicks for visit in mine) / max(len(mine), 1)
            rates.append(f"{arm} {rate:.3f}")
        compared = [str(one) for one in self.comparisons()]
        return "; ".join([f"clicks per page, last {last} days: " + ", ".join(rates), *compared])

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(DayRow.__slots__), lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows())

    def _row(self, arm: str, day: int) -> DayRow:
        mine = [visit for visit in self.visits if (visit.arm, visit.day) == (arm, day)]
        users = sorted({visit.user_id for visit in mine})
        shown, clicked = Counter[str](), Counter[str]()
        for visit in mine:
            shown[visit.user_id] += len(visit.items)
            clicked[visit.user_id] += visit.clicks
        rate, spread = 0.0, math.nan
        if users:
            mean = user_mean(
                np.array([clicked[user_id] for user_id in users], dtype=float),
                np.array([shown[user_id] for user_id in users], dtype=float),
            )
            known = math.isfinite(mean.variance)
            rate, spread = mean.value, math.sqrt(mean.variance) if known else math.nan
        return DayRow(
            arm=arm,
            day=day + 1,
            pages=len(mine),
            impressions=sum(shown.values()),
            clicks=sum(clicked.values()),
            purchases=sum(visit.purchases for visit in mine),
            click_through=rate,
            low=rate - _DEVIATIONS * spread,
            high=rate + _DEVIATIONS * spread,
            coverage=len({item for visit in mine for item in visit.items}) / self.num_items,
        )
