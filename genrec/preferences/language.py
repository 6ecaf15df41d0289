"""What a preference says: JSON objects of one kind each to typed wishes.

    {"more": ABOUT}                   more of it than events say
    {"less": ABOUT}                   less of it
    {"never": ABOUT}                  none of it
    {"pin": ABOUT}                    always something of it
    {"gift": "P007"}                  the events of this item were for somebody else
    {"gift": {"item_id": "P007", "timestamp": 1700000000}}       only the one at this moment

ABOUT is an interest, by its name ("Tea · green") or as its semantic-ID prefix ([3, 7]), or a filter
of ``genrec.filters.language`` ({"categories": "Tea"}). ``"by"`` beside "more" and "less" says how
many nats; without it they are as strong as ``steering`` measured. Must not know any item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, cast, get_args

from genrec.arguments import check_collection, check_id, check_integer, check_text, wrong_type
from genrec.errors import DataError
from genrec.filters import Filter, read_filter
from genrec.rules.language import read_nats
from genrec.schema import ITEM_ID, TIMESTAMP, Event, SemanticId

Want = Literal["more", "less", "never", "pin"]
WANTS: tuple[Want, ...] = get_args(Want)
GIFT = "gift"
BY = "by"
MAX_PREFERENCES = 100
MAX_LEVELS = 16
_KINDS = (*WANTS, GIFT)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of an interest.

    Attributes:
        want: More, less or none of it, or always some.
        about: Its name, its semantic-ID prefix, or a filter.
        nats: How strong "more" and "less" are, above 0; None: as strong as was measured.
        name: Its place among the preferences, for messages.
        written: As it was read from.
    """

    want: Want
    about: str | SemanticId | Filter
    nats: float | None
    name: str
    written: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gift:
    """Events that say nothing of the user.

    Attributes:
        item_id: Of the events.
        timestamp: Of one event, seconds; None: all events of the item.
    """

    item_id: str
    timestamp: int | None = None

    def fits(self, event: Event) -> bool:
        """Tell whether it speaks of an event."""
        return event.item_id == self.item_id and self.timestamp in (None, event.timestamp)


@dataclass(frozen=True, slots=True)
class Preferences:
    """Everything that a user has said; nothing where both are empty."""

    wishes: tuple[Wish, ...] = ()
    gifts: tuple[Gift, ...] = ()

    @property
    def said(self) -> bool:
        """Whether anything was said."""
        return bool(self.wishes or self.gifts)


def read_preferences(written: Any, name: str = "preferences") -> Preferences:
    """Return what preferences say.

    Args:
        written: A list of objects, as in the module's docstring.
        name: Of the argument, for messages.

    Raises:
        DataError: One is no preference; the message says where, and what is expected there.
    """
    each = check_collection(written, name, "preferences")
    if len(each) > MAX_PREFERENCES:
        raise DataError(f"{name} holds {len(each)} preferences; give at most {MAX_PREFERENCES}")
    read = [_read(one, f"{name}.{place}") for place, one in enumerate(each)]
    return Preferences(
        tuple(one for one in read if isinstance(one, Wish)),
        tuple(dict.fromkeys(one for one in read if isinstance(one, Gift))),
    )


def _read(written: Any, name: str) -> Wish | Gift:
    if not isinstance(written, Mapping):
        raise wrong_type(written, name, f"an object with one of {', '.join(_KINDS)}")
    kinds = [kind for kind in _KINDS if kind in written]
    if len(kinds) != 1:
        what = f"{' and '.join(kinds)} in one preference" if kinds else "no kind of preference"
        others = [str(key) for key in written if key not in (*_KINDS, BY)]
        near = get_close_matches(others[0], _KINDS, 1) if others else []
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise DataError(f"{name}: {what}; give exactly one of {', '.join(_KINDS)}{hint}")
    kind = kinds[0]
    takes_nats = kind in ("more", "less")
    if others := [str(key) for key in written if key != kind and not (takes_nats and key == BY)]:
        takes = f"only '{BY}'" if takes_nats else "nothing"
        raise DataError(f"{name}: '{kind}' takes {takes} beside it, not '{others[0]}'")
    if kind == GIFT:
        return _read_gift(written[GIFT], f"{name}.{GIFT}")
    nats = read_nats(written[BY], f"{name}.{BY}") if BY in written else None
    want = cast(Want, kind)
    return Wish(want, _read_about(written[kind], f"{name}.{kind}"), nats, name, written)


def _read_about(written: Any, name: str) -> str | SemanticId | Filter:
    if isinstance(written, Mapping):
        return read_filter(written, name)
    if isinstance(written, str):
        return check_text(written, name)
    codes = check_collection(written, name, "codes, the name of an interest, or a filter")
    if not 0 < len(codes) <= MAX_LEVELS:
        raise DataError(f"{name} holds {len(codes)} codes; give 1 to {MAX_LEVELS}")
    return tuple(check_integer(code, f"{name}[{n}]") for n, code in enumerate(codes))


def _read_gift(written: Any, name: str) -> Gift:
    if not isinstance(written, Mapping):
        return Gift(check_id(written, name))
    if set(written) != {ITEM_ID, TIMESTAMP}:
        raise DataError(f"{name}: give an item ID, or an object of {ITEM_ID} and {TIMESTAMP}")
    return Gift(
        check_id(written[ITEM_ID], f"{name}.{ITEM_ID}"),
        check_integer(written[TIMESTAMP], f"{name}.{TIMESTAMP}"),
    )
