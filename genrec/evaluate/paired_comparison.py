"""Two rankers of saved evaluations against each other, user by user.

Enters: two places, each an evaluation or a folder of evaluations that differ by seed. Leaves: the
lead of the first with a paired bootstrap interval. With several seeds a user's metric is the mean
over seeds, so that the interval speaks of the recipe; the spread over seeds stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from genrec.errors import ArtifactError, ConfigError
from genrec.evaluate.bootstrap import Interval, paired_difference
from genrec.evaluate.report import MODES, mode_name
from genrec.evaluate.saved import SavedEvaluation, find_evaluations, load_evaluation


@dataclass(frozen=True)
class Side:
    """One ranker over one evaluation or several seeds.

    Attributes:
        name: Place and ranker, for people.
        evaluations: One for each seed.
        ranker: Its name in all of them.
    """

    name: str
    evaluations: tuple[SavedEvaluation, ...]
    ranker: str

    def per_user(self, filter_seen: bool, user_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the metrics of these users, one row for each seed. Shape: (seeds, users) each."""
        tables = []
        for saved in self.evaluations:
            place = {user: row for row, user in enumerate(saved.arrays["user_ids"].tolist())}
            rows = [place[user] for user in user_ids]
            found = saved.per_user(self.ranker, filter_seen)
            tables.append({name: array[rows] for name, array in found.items()})
        names = [name for name in tables[0] if all(name in table for table in tables)]
        return {name: np.stack([table[name] for table in tables]) for name in names}


@dataclass(frozen=True)
class Line:
    """One metric in one filter mode.

    Attributes:
        metric: Such as "ndcg@10".
        filter_seen: Whether seen items were kept out.
        first: Mean of the first side, over users and seeds.
        second: Of the second.
        first_spread: Standard deviation of the first side's means over seeds; None for one seed.
        second_spread: Of the second.
        difference: First minus second.
    """

    metric: str
    filter_seen: bool
    first: float
    second: float
    first_spread: float | None
    second_spread: float | None
    difference: Interval


@dataclass(frozen=True)
class Comparison:
    """Two sides, line by line.

    Attributes:
        first: Name of the first side.
        second: Of the second.
        setting: What both were asked.
        num_users: Users whom both were asked about.
        lines: By filter mode and metric.
    """

    first: str
    second: str
    setting: Mapping[str, Any]
    num_users: int
    lines: tuple[Line, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: the lines by filter mode and metric."""
        modes: dict[str, dict[str, Any]] = {}
        for line in self.lines:
            content = asdict(line)
            mode = mode_name(content.pop("filter_seen"))
            modes.setdefault(mode, {})[content.pop("metric")] = content
        names = {"first": self.first, "second": self.second}
        return {**names, **self.setting, "num_users": self.num_users, **modes}

    def table(self) -> Table:
        """Lay out both means, the difference and its interval."""
        table = Table(
            title=f"{self.first} against {self.second} · {self.setting['split']} split · "
            f"{self.num_users:,} users",
            caption="difference: 95% paired bootstrap interval over users; bold without 0 in it"
            + ("; ±: standard deviation over seeds" if self._has_spread else ""),
            title_justify="left",
            caption_justify="left",
        )
        for column in ("metric", "first", "second", "difference", "95% interval"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for filter_seen, title in MODES.items():
            table.add_section()
            table.add_row(Text(title, "bold"))
            for line in self.lines:
                if line.filter_seen == filter_seen:
                    table.add_row(*_show(line))
        return table

    @property
    def _has_spread(self) -> bool:
        return any(line.first_spread or line.second_spread for line in self.lines)


def compare_saved(
    first: Path, second: Path, ranker: str | None = None, other: str | None = None, seed: int = 0
) -> Comparison:
    """Compare a ranker of one place with a ranker of another, user by user.

    Args:
        first: An evaluation, or a folder of evaluations that differ by seed.
        second: Likewise; may be the same.
        ranker: Which of the first's rankers; None: the one under test.
        other: Which of the second's; None: the same name, else the one under test.
        seed: Of the bootstrap.

    Raises:
        ArtifactError: Nothing there, damaged, or the two were not asked the same.
        ConfigError: No such ranker.
    """
    one, two = _load_seeds(first), _load_seeds(second)
    left = _side(first, one, ranker or one[0].rankers[0])
    fallback = left.ranker if left.ranker in two[0].rankers else two[0].rankers[0]
    right = _side(second, two, other or fallback)
    everyone = one + two
    for saved in everyone[1:]:
        check_same_questions(everyone[0], saved)
    user_ids = _common_users(everyone)
    lines = tuple(
        line for filter_seen in MODES for line in _lines(left, right, filter_seen, user_ids, seed)
    )
    setting = {name: one[0].report[name] for name in ("data_hash", "protocol", "split")}
    return Comparison(left.name, right.name, setting, len(user_ids), lines)


def _load_seeds(path: Path) -> tuple[SavedEvaluation, ...]:
    return tuple(load_evaluation(each) for each in find_evaluations(path))


def _side(path: Path, evaluations: tuple[SavedEvaluation, ...], ranker: str) -> Side:
    for saved in evaluations:
        if ranker not in saved.rankers:
            known = ", ".join(saved.rankers)
            raise ConfigError(f"{saved.path} has no ranker '{ranker}'; it has {known}")
    seeds = f" ({len(evaluations)} seeds)" if len(evaluations) > 1 else ""
    return Side(f"{Path(path).name}:{ranker}{seeds}", evaluations, ranker)


def check_same_questions(first: SavedEvaluation, second: SavedEvaluation) -> None:
    """Check that two evaluations asked for the same.

    Raises:
        ArtifactError: They did not.
    """
    asked = {
        "data_hash": "data",
        "split": "split",
        "ask_at": "moment of asking",
        "last_events": "number of events known",
    }
    for name, what in asked.items():
        one, two = first.report.get(name), second.report.get(name)
        if one != two:
            raise ArtifactError(
                f"{first.path} and {second.path} cannot be compared: {what} is {one} in one and "
                f"{two} in the other; evaluate both on the same"
            )


def _common_users(evaluations: Sequence[SavedEvaluation]) -> list[str]:
    """Return the users that all were asked about, with the same targets, in the first's order."""
    expected = _targets(evaluations[0])
    for saved in evaluations[1:]:
        found = _targets(saved)
        expected = {user: held_out for user, held_out in expected.items() if user in found}
        other = next((user for user in expected if found[user] != expected[user]), None)
        if other is not None:
            raise ArtifactError(
                f"{evaluations[0].path} and {saved.path} cannot be compared: user '{other}' has "
                "other targets; evaluate both on the same data"
            )
    if not expected:
        raise ArtifactError(
            f"{evaluations[0].path} and {evaluations[-1].path} have no user in common; "
            "evaluate both on the same users"
        )
    return list(expected)


def _targets(saved: SavedEvaluation) -> dict[str, tuple[int, ...]]:
    ends = np.cumsum(saved.arrays["num_targets"])
    parts = np.split(saved.arrays["targets"], ends[:-1])
    users = saved.arrays["user_ids"].tolist()
    return {user: tuple(sorted(part.tolist())) for user, part in zip(users, parts, strict=True)}


def _lines(
    left: Side, right: Side, filter_seen: bool, user_ids: Sequence[str], seed: int
) -> list[Line]:
    ours, theirs = left.per_user(filter_seen, user_ids), right.per_user(filter_seen, user_ids)
    return [
        Line(
            metric=name,
            filter_seen=filter_seen,
            first=float(ours[name].mean()),
            second=float(theirs[name].mean()),
            first_spread=_spread(ours[name]),
            second_spread=_spread(theirs[name]),
            difference=paired_difference(ours[name].mean(axis=0), theirs[name].mean(axis=0), seed),
        )
        for name in ours
        if name in theirs
    ]


def _spread(table: np.ndarray) -> float | None:
    """Return the standard deviation of the seeds' means. Shape of the table: (seeds, users)."""
    return float(table.mean(axis=1).std(ddof=1)) if len(table) > 1 else None


def _show(line: Line) -> list[str | Text]:
    means = [
        f"{mean:.4f}" + (f" ± {spread:.4f}" if spread is not None else "")
        for mean, spread in ((line.first, line.first_spread), (line.second, line.second_spread))
    ]
    low, high = line.difference.low, line.difference.high
    style = "bold" if low > 0 or high < 0 else ""
    difference = Text(f"{line.difference.mean:+.4f}", style)
    return [line.metric, *means, difference, f"{low:+.4f} to {high:+.4f}"]
