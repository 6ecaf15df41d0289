"""What a rule says: a JSON object of one kind to a typed rule.

    {"ban": FILTER}                              never these items
    {"boost": FILTER, "by": 1.0}                 nats added to their scores
    {"bury": FILTER, "by": 1.0}                  nats taken from them
    {"pin": ["P003", "P007"], "at": 1}           these items, from this place of the list on
    {"at_most": 2, "per": "brand"}               items that share a value of an attribute
    {"at_most": 1, "per": "categories", "level": 1}   of lists: their first values only (-1: last)
    {"shown_at_most": 3, "days": 7, "per": "brand", "to": "user"}   how often items that share a
                                                 value were shown in so many days, this list too; to
                                                 the user, or to "all"
    {"at_least": 3, "of": FILTER}                items of the list are such
    {"diversity": 0.5}                           nats that each pair of items costs, times their
                                                 likeness (0 to 1)
    {"explore": 0.1, "among": 20}                at this share of ranks any of so many best items
                                                 stands with equal chances, in place of the best
    {"calibrate": "popularity", "by": 1.0}       nats that it costs, an item, where the list holds
                                                 others shares of the values than the user's history
    {"seen": "only"}                             of what the user has had: only, never or any
    {"answer_with": {"num_beams": 20}}           how the model answers (``answering``)

A FILTER is one of ``genrec.filters.language``. ``"arm"`` beside any of them: it holds for the users
of one arm of an experiment (``arms``). Must not know any item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

from genrec.arguments import (
    check_collection,
    check_count,
    check_ids,
    check_integer,
    check_real,
    check_text,
    show_number,
    wrong_type,
)
from genrec.errors import DataError
from genrec.experiments.assignment import Experiment
from genrec.filters import Filter, read_filter
from genrec.rules.answering import ANSWER_WITH, AnswerWith, read_answer_with
from genrec.rules.arms import ARM, Arm, read_arm
from genrec.schema import ITEM_ID, Turned

MAX_NATS = 100.0
MAX_PINS = 100
AMONG = 20
MAX_AMONG = 500
MAX_DAYS = 3650
MAX_COUNT = 10**9
"""Of what a rule counts: items of a list, places in it, or values of an attribute."""

Which = Literal["only", "never", "any"]
Audience = Literal["user", "all"]


@dataclass(frozen=True, slots=True)
class Ban:
    """Items never to show."""

    where: Filter


@dataclass(frozen=True, slots=True)
class Boost:
    """Items whose scores are raised, or lowered below 0, by some nats."""

    where: Filter
    nats: float


@dataclass(frozen=True, slots=True)
class Pin:
    """Items that stand in the list from place ``at`` on, 1 the first."""

    item_ids: tuple[str, ...]
    at: int = 1


@dataclass(frozen=True, slots=True)
class AtMost:
    """How many items may share a value of an attribute.

    Attributes:
        count: 1 or more.
        per: The attribute; items without it are not limited.
        level: Of an attribute that is a list the place of the value that counts, 1 the first and
            -1 the last; None: all count.
        left: Values of which there may be fewer, and how many.
    """

    count: int
    per: str
    level: int | None = None
    left: tuple[tuple[str, int], ...] = ()

    @property
    def spent(self) -> tuple[str, ...]:
        """Values of which there may be none."""
        return tuple(value for value, room in self.left if not room)


@dataclass(frozen=True, slots=True)
class ShownAtMost:
    """How often items that share a value of an attribute may be shown within some time.

    Attributes:
        count: 1 or more, the list that is asked for among them.
        days: Back from now.
        per: The attribute.
        to: Whether what the user was shown counts, or what everybody was.
    """

    count: int
    days: float
    per: str = ITEM_ID
    to: Audience = "user"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """How many items of a list are such."""

    count: int
    where: Filter


@dataclass(frozen=True, slots=True)
class Diversity:
    """What each pair of a list's items costs: nats times their likeness (``Kinship``)."""

    nats: float


@dataclass(frozen=True, slots=True)
class Calibrate:
    """How closely a list follows its user's history in the values of an attribute.

    Attributes:
        attribute: Of which each item has one value, or a list.
        nats: What each nat of the divergence from the history costs, times the list's length.
        level: Of a list the place of the value that counts, as of ``AtMost``.
    """

    attribute: str
    nats: float
    level: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether items of the user's history are shown: "only" these, "never", or "any"."""

    which: Which


@dataclass(frozen=True, slots=True)
class Explore:
    """A quota of ranks at which chance chooses, so that the log can judge other rankings.

    Attributes:
        rate: Share of ranks, 0 to 1.
        among: How many of the best items chance chooses from, at least as many as a list has.
            Where other rules choose a list it only changes the order of that.
    """

    rate: float
    among: int = AMONG


@dataclass(frozen=True, slots=True)
class Turn:
    """Items of which a user wants more or less, by as much as the user's own odds need.

    Said in preferences only, not in a shop's rules.
    """

    where: Filter
    want: Turned


Rule = (
    Ban
    | Boost
    | Turn
    | Pin
    | AtMost
    | ShownAtMost
    | AtLeast
    | Diversity
    | Calibrate
    | Explore
    | Seen
    | AnswerWith
)
"""Hashable, so that what was made of rules can be kept."""


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule as it was asked for.

    Attributes:
        name: Under which it is stored, or its place in the request.
        rule: What it says.
        version: Of a stored rule, from 1.
        written: As ``rule`` was read from.
        arm: Whose users it holds for; None: for everybody.
    """

    name: str
    rule: Rule
    version: int | None = None
    written: Mapping[str, Any] = field(default_factory=dict, compare=False)
    arm: Arm | None = field(default=None, compare=False)

    @classmethod
    def read(cls, name: str, written: Any, version: int | None = None) -> NamedRule:
        """Read a rule.

        What is stored, and has a version, was checked when it was stored. An earlier release had
        fewer bounds, and a rule that it took must not break every answer now.

        Raises:
            DataError: See ``read_rule``; or it is new, and has a number beyond all use.
        """
        says, arm, is_new = written, None, version is None
        if isinstance(written, Mapping) and ARM in written:
            says = {key: value for key, value in written.items() if key != ARM}
            arm = read_arm(written[ARM], f"{name}.{ARM}", is_new)
        rule = read_rule(says, name)
        if is_new:
            _check_counts(says, name)
        return cls(name, rule, version, written, arm)

    def within(self, experiments: Mapping[str, Experiment]) -> NamedRule:
        """Return the rule with its arm as experiments have it now; see ``Arm.within``."""
        return self if self.arm is None else replace(self, arm=self.arm.within(experiments))

    def holds_for(self, user_id: str | None) -> bool:
        """Tell whether it holds for a user; None: somebody who is not known."""
        return self.arm is None or self.arm.holds_for(user_id)

    def may_meet(self, other: NamedRule) -> bool:
        """Tell whether both can hold for one user."""
        return self.arm is None or other.arm is None or self.arm.may_meet(other.arm)


def read_rule(written: Any, name: str = "rule") -> Rule:
    """Return what a rule says.

    Args:
        written: As in the module's docstring.
        name: For messages.

    Raises:
        DataError: It is no rule; the message says what is expected.
    """
    if not isinstance(written, Mapping):
        raise wrong_type(written, name, f"an object with one of {', '.join(_KINDS)}")
    kinds = [kind for kind in _KINDS if kind in written]
    if len(kinds) != 1:
        unknown = [str(key) for key in written if key not in _KINDS and key not in _OPTIONS]
        near = get_close_matches(unknown[0], _KINDS, 1) if unknown else []
        what = f"{' and '.join(kinds)} in one rule" if kinds else "no kind of rule"
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise DataError(f"{name}: {what}; give exactly one of {', '.join(_KINDS)}{hint}")
    kind = kinds[0]
    read, allowed = _KINDS[kind]
    if others := [str(key) for key in written if key not in (kind, *allowed)]:
        takes = f" takes {' and '.join(allowed)}" if allowed else " takes nothing"
        raise DataError(f"{name}: '{kind}'{takes} beside it, not '{others[0]}'")
    return read(written, name)


def read_rules(written: Any, name: str = "rules") -> list[NamedRule]:
    """Return rules that are named by their places in a list, from 0.

    Raises:
        DataError: See ``read_rule``.
    """
    return [
        NamedRule.read(f"{name}.{place}", each)
        for place, each in enumerate(check_collection(written, name, "rules"))
    ]


def _read_ban(written: Mapping[str, Any], name: str) -> Ban:
    return Ban(read_filter(written["ban"], f"{name}.ban"))


def _read_boost(written: Mapping[str, Any], name: str) -> Boost:
    nats = read_nats(written.get("by", 1.0), f"{name}.by")
    return Boost(read_filter(written["boost"], f"{name}.boost"), nats)


def _read_bury(written: Mapping[str, Any], name: str) -> Boost:
    nats = read_nats(written.get("by", 1.0), f"{name}.by")
    return Boost(read_filter(written["bury"], f"{name}.bury"), -nats)


def _read_pin(written: Mapping[str, Any], name: str) -> Pin:
    item_ids = check_ids(written["pin"], f"{name}.pin")
    if not 0 < len(item_ids) <= MAX_PINS:
        raise DataError(f"{name}.pin holds {len(item_ids)} items; give 1 to {MAX_PINS}")
    if len({*item_ids}) < len(item_ids):
        raise DataError(f"{name}.pin holds an item twice; give each once")
    return Pin(tuple(item_ids), check_count(written.get("at", 1), f"{name}.at"))


def _read_at_most(written: Mapping[str, Any], name: str) -> AtMost:
    if "per" not in written:
        raise DataError(f"{name}: 'at_most' needs 'per', the attribute that items share")
    count = check_count(written["at_most"], f"{name}.at_most")
    return AtMost(count, check_text(written["per"], f"{name}.per"), _read_level(written, name))


def _read_shown_at_most(written: Mapping[str, Any], name: str) -> ShownAtMost:
    count = check_count(written["shown_at_most"], f"{name}.shown_at_most")
    days, to = written.get("days"), written.get("to", "user")
    expected = f"days above 0, at most {MAX_DAYS}"
    days = check_real(days, f"{name}.days", expected, 0, MAX_DAYS, above=True)
    if to not in get_args(Audience):
        raise DataError(f"{name}.to={to!r}: give {' or '.join(get_args(Audience))}")
    return ShownAtMost(count, days, check_text(written.get("per", ITEM_ID), f"{name}.per"), to)


def _read_at_least(written: Mapping[str, Any], name: str) -> AtLeast:
    if "of" not in written:
        raise DataError(f"{name}: 'at_least' needs 'of', a filter that says which items")
    count = check_count(written["at_least"], f"{name}.at_least")
    return AtLeast(count, read_filter(written["of"], f"{name}.of"))


def _read_diversity(written: Mapping[str, Any], name: str) -> Diversity:
    return Diversity(read_nats(written["diversity"], f"{name}.diversity"))


def _read_explore(written: Mapping[str, Any], name: str) -> Explore:
    expected = "a share of ranks above 0, at most 1"
    rate = check_real(written["explore"], f"{name}.explore", expected, 0, 1, above=True)
    return Explore(rate, check_count(written.get("among", AMONG), f"{name}.among", MAX_AMONG))


def _read_calibrate(written: Mapping[str, Any], name: str) -> Calibrate:
    attribute = check_text(written["calibrate"], f"{name}.calibrate")
    nats = read_nats(written.get("by", 1.0), f"{name}.by")
    return Calibrate(attribute, nats, _read_level(written, name) or 1)


def _read_level(written: Mapping[str, Any], name: str) -> int | None:
    if written.get("level") is None:
        return None
    level = check_integer(written["level"], f"{name}.level")
    if level == 0:
        raise DataError(f"{name}.level=0: 1 is the first value, -1 the last")
    return level


def _read_seen(written: Mapping[str, Any], name: str) -> Seen:
    which = written["seen"]
    if which not in get_args(Which):
        raise DataError(f"{name}.seen={which!r}: give {', '.join(get_args(Which))}")
    return Seen(which)


def read_nats(value: Any, name: str) -> float:
    """Return a number of nats above 0.

    Raises:
        DataError: It is none, or above ``MAX_NATS``.
    """
    return check_real(value, name, f"nats above 0, at most {MAX_NATS:g}", 0, MAX_NATS, above=True)


def _check_counts(written: Mapping[str, Any], name: str) -> None:
    for field_name in _COUNTS:
        count = written.get(field_name)
        if count is not None and abs(count) > MAX_COUNT:
            shown = show_number(count)
            raise DataError(f"{name}.{field_name}={shown}: give at most {MAX_COUNT}")


_COUNTS = ("at_most", "shown_at_most", "at_least", "at", "level")


_KINDS: dict[str, tuple[Callable[[Mapping[str, Any], str], Rule], tuple[str, ...]]] = {
    "ban": (_read_ban, ()),
    "boost": (_read_boost, ("by",)),
    "bury": (_read_bury, ("by",)),
    "pin": (_read_pin, ("at",)),
    "at_most": (_read_at_most, ("per", "level")),
    "shown_at_most": (_read_shown_at_most, ("days", "per", "to")),
    "at_least": (_read_at_least, ("of",)),
    "diversity": (_read_diversity, ()),
    "explore": (_read_explore, ("among",)),
    "calibrate": (_read_calibrate, ("by", "level")),
    "seen": (_read_seen, ()),
    ANSWER_WITH: (read_answer_with, ()),
}
_OPTIONS = frozenset(option for _, options in _KINDS.values() for option in options)
RULE_KINDS = tuple(_KINDS)
"""What a rule can be called when it is written."""
