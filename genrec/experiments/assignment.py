"""Which arm of an experiment a user belongs to: by a stable hash, without any memory.

Enters: an experiment's name, its arms with weights, and user IDs. Leaves: arms, and exposures to
record. Knows no model, no store and no HTTP: what an arm stands for (an adapter, settings, a rule
set) is its caller's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genrec.arguments import check_id, check_real, check_text, to_seconds, wrong_type
from genrec.errors import DataError

MIN_WEIGHT, MAX_WEIGHT = 1e-9, 1e9
"""Between them no share is so small that it cannot be reckoned with, and no sum too large."""

_HASHES = 1 << 64


@dataclass(frozen=True, slots=True)
class Exposure:
    """A user met what an arm does. An A/B test counts these users, and no others.

    Attributes:
        experiment: Name of the experiment.
        user_id: External ID.
        arm: Which the user was assigned to.
        timestamp: Seconds since 1970-01-01 UTC.
    """

    experiment: str
    user_id: str
    arm: str
    timestamp: int


@dataclass(frozen=True)
class Experiment:
    """Arms, and the share of users that each gets.

    The name is the salt of the hash, so that who is in which arm of one experiment says nothing
    about another. Arms are drawn by weighted rendezvous hashing: every arm draws a number for the
    user, and the least one wins. Setting the weight of an arm to 0 (dropping it) therefore moves
    its own users alone. Change no other weights of a running experiment; give it a new name.

    Source:
        Schindelhauer and Schomaker, Weighted distributed hash tables, SPAA 2005 (the logarithmic
        method).

    Attributes:
        name: Of the experiment.
        arms: Weights by name; the first arm is the control. Only their ratios matter; 0: dropped,
            any other from ``MIN_WEIGHT`` to ``MAX_WEIGHT``.

    Raises:
        DataError: Fewer than two arms have users, a weight is unusable or the control is dropped.

    Examples:
        >>> Experiment("fusion", {"old": 1, "new": 1}).assign("uma-054")
        'new'
    """

    name: str
    arms: Mapping[str, float]

    def __post_init__(self) -> None:
        if not check_text(self.name, "name"):
            raise DataError("an experiment needs a name: it decides who is in which arm")
        if not isinstance(self.arms, Mapping):
            raise wrong_type(self.arms, "arms", "a mapping of names to weights")
        for arm, weight in self.arms.items():
            check_text(arm, "arm")
            _check_weight(weight, arm)
        if len(self.live_arms) < 2 or self.control not in self.live_arms:
            raise DataError(
                f"experiment '{self.name}' has {len(self.live_arms)} arms with a weight above 0 "
                f"({', '.join(self.live_arms) or 'none'}); it needs at least two, and the first "
                "arm, its control, among them"
            )

    @property
    def control(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.arms))

    @property
    def live_arms(self) -> tuple[str, ...]:
        """Arms that get users, the control first."""
        return tuple(arm for arm, weight in self.arms.items() if weight > 0)

    @property
    def shares(self) -> dict[str, float]:
        """The share of users that each live arm gets."""
        total = math.fsum(self.arms.values())
        return {arm: self.arms[arm] / total for arm in self.live_arms}

    def assign(self, user_id: str | int) -> str:
        """Return the arm of a user: the same on every machine, at any time."""
        user = check_id(user_id, "user_id")
        return min(self.live_arms, key=lambda arm: self._draw(arm, user))

    def assign_many(self, user_ids: Iterable[str | int]) -> list[str]:
        """Return the arm of each user."""
        return [self.assign(user_id) for user_id in user_ids]

    def expose(self, user_id: str | int, timestamp: Any) -> Exposure:
        """Return the exposure of a user to the arm they are assigned to.

        Args:
            user_id: External ID.
            timestamp: A moment, see ``genrec.arguments.Moment``.
        """
        user = check_id(user_id, "user_id")
        return Exposure(self.name, user, self.assign(user), to_seconds(timestamp, "timestamp"))

    def _draw(self, arm: str, user_id: str) -> float:
        """Return an exponential variable whose rate is the arm's weight."""
        text = json.dumps([self.name, arm, user_id]).encode()
        drawn = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        return -math.log((drawn + 0.5) / _HASHES) / self.arms[arm]


def rescaled(arms: Mapping[str, float]) -> Mapping[str, float]:
    """Return weights of the same ratios that keep their bounds; as they are where they do already.

    Of experiments that were stored before there were bounds.
    """
    largest = max(arms.values())
    if largest <= MAX_WEIGHT and all(
        not weight or weight >= MIN_WEIGHT for weight in arms.values()
    ):
        return arms
    return {arm: max(weight / largest, MIN_WEIGHT) if weight else 0 for arm, weight in arms.items()}


def _check_weight(weight: Any, arm: str) -> None:
    expected = f"a weight from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}, or 0 for a dropped arm"
    if check_real(weight, f"arms[{arm!r}]", expected, 0, MAX_WEIGHT):
        check_real(weight, f"arms[{arm!r}]", expected, MIN_WEIGHT, MAX_WEIGHT)
