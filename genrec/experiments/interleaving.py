"""Two rankings in one list: which of them do users take from?

Enters: two rankings, then the items that were clicked. Leaves: a mixed list that remembers who
chose what, and the users' preference with an interval that holds at every look. Every user compares
both, so differences between users cost nothing; which is preferred is told, not what either earns.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from genrec.arguments import check_count
from genrec.experiments.columns import id_codes, numbers, to_frame
from genrec.experiments.confidence import (
    ALPHA,
    MIN_EFFECTIVE_USERS,
    Interval,
    effective_users,
    mixture_interval,
    user_mean,
)
from genrec.frames.read import check_columns
from genrec.schema import USER_ID

CREDIT = "credit"
EXPECTED_PREFERENCE = 0.05
"""Mean credit that the interval is tightest for."""

Team = Literal["first", "second"]
Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Interleaved(Generic[Id]):
    """A list made of two.

    Attributes:
        items: By rank.
        teams: Which ranking put each item there.
    """

    items: tuple[Id, ...]
    teams: tuple[Team, ...]

    def credit(self, clicked: Collection[Id]) -> int:
        """Return 1 if more of the first ranking's items were clicked, -1 if of the second's, or 0.

        An item clicked twice counts once; one that was not shown does not count.
        """
        taken = [team for item, team in zip(self.items, self.teams, strict=True) if item in clicked]
        lead = 2 * taken.count("first") - len(taken)
        return (lead > 0) - (lead < 0)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two rankings users take from.

    Attributes:
        interval: Mean credit of a list: 1 if the first always wins, -1 if the second does.
        num_lists: Lists judged.
        num_users: Users who saw them.
    """

    interval: Interval
    num_lists: int
    num_users: int

    @property
    def winner(self) -> Team | None:
        """The preferred ranking; None while that is open."""
        if self.interval.is_above_zero:
            return "first"
        return "second" if self.interval.is_below_zero else None

    def verdict(self, first: str, second: str) -> str:
        """Say it in words.

        Args:
            first: What to call the first ranking.
            second: What to call the second.
        """
        seen = f"{self.num_lists:,} lists, {self.num_users:,} users"
        if not math.isfinite(self.interval.low):
            return f"open: too few users yet ({seen})"
        preferred = {"first": f"users prefer {first}", "second": f"users prefer {second}"}
        what = "open" if self.winner is None else preferred[self.winner]
        span = f"{self.interval.low:+.3f} to {self.interval.high:+.3f}"
        return f"{what}: credit of {first} {self.interval.value:+.3f} ({span}) a list ({seen})"

    def to_json(self, first: str = "first", second: str = "second") -> dict[str, Any]:
        """Return plain JSON; what is not known yet is None.

        Args:
            first: What to call the first ranking.
            second: What to call the second.
        """
        known = math.isfinite(self.interval.low)
        ends = asdict(self.interval) if known else {"value": self.interval.value}
        return {
            "winner": {"first": first, "second": second, None: None}[self.winner],
            "verdict": self.verdict(first, second),
            **{"low": None, "high": None, **ends},
            "num_lists": self.num_lists,
            "num_users": self.num_users,
        }


def team_draft(
    first: Sequence[Id], second: Sequence[Id], k: int, rng: np.random.Generator
) -> Interleaved[Id]:
    """Mix two rankings: in every round each puts its best item that is not there yet.

    Who goes first in a round is drawn, so that neither gains from the place alone.

    Args:
        first: Items, best first.
        second: Likewise.
        k: Items to show; fewer where both rankings end before.
        rng: Where chance comes from.

    Source:
        Radlinski, Kurup and Joachims, How does clickthrough data reflect retrieval quality?,
        CIKM 2008, algorithm 2.
    """
    check_count(k, "k")
    waiting: dict[Team, list[Id]] = {
        "first": _distinct_from_the_end(first),
        "second": _distinct_from_the_end(second),
    }
    teams: list[Team] = []
    items: dict[Id, None] = {}
    while len(items) < k and (turn := _next_team(waiting, items, teams, rng)):
        items[waiting[turn].pop()] = None
        teams.append(turn)
    return Interleaved(tuple(items), tuple(teams))


def _distinct_from_the_end(ranking: Sequence[Id]) -> list[Id]:
    """Return a ranking with its best item last, where it is quickly taken."""
    return list(dict.fromkeys(ranking))[::-1]


def _next_team(
    waiting: dict[Team, list[Id]],
    items: dict[Id, None],
    teams: list[Team],
    rng: np.random.Generator,
) -> Team | None:
    """Return whose turn it is; None when both rankings are used up."""
    for ranking in waiting.values():
        while ranking and ranking[-1] in items:
            ranking.pop()
    ready: list[Team] = [team for team, ranking in waiting.items() if ranking]
    if len(ready) < 2:
        return ready[0] if ready else None
    lead = teams.count("first") - teams.count("second")
    if lead == 0:
        return ready[int(rng.integers(2))]
    return "second" if lead > 0 else "first"


def judge(lists: Any, alpha: float = ALPHA) -> Preference:
    """Tell which ranking users prefer, as of now; it may be asked as often as one likes.

    Args:
        lists: Data frame of interleaved lists that were shown, with columns ``user_id`` and
            ``credit`` (see ``Interleaved.credit``).
        alpha: Chance of ever calling a preference where there is none.

    Raises:
        DataError: A column is missing, or a credit is not from -1 to 1.
    """
    frame = to_frame(lists, "lists")
    check_columns(frame, (USER_ID, CREDIT), None, "lists")
    credit = numbers(frame, CREDIT, "lists", low=-1, high=1)
    users, ids = id_codes(frame, USER_ID, "lists")
    credits = np.bincount(users, credit)
    mean = user_mean(credits, np.bincount(users).astype(float))
    interval = Interval(mean.value, -math.inf, math.inf)
    if effective_users(credits) >= MIN_EFFECTIVE_USERS:
        interval = mixture_interval(mean.value, mean.variance, EXPECTED_PREFERENCE, alpha)
    return Preference(interval, len(credit), len(ids))
