"""An explanation as one plain sentence that says no more than was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_TITLE_CHARS = 70
MOSTLY = 0.5
"""Evidence explains an item mostly where deleting it takes this part of what the history did."""

VERBS = {
    "purchase": "bought",
    "buy": "bought",
    "view": "viewed",
    "click": "clicked on",
    "rating": "rated",
    "review": "reviewed",
    "like": "liked",
    "watch": "watched",
    "listen": "listened to",
    "play": "played",
    "read": "read",
}


class Named(NamedTuple):
    """An event as a sentence names it.

    Attributes:
        event_type: Kind of act.
        title: Of its item.
        shares: Whether its item lies under the interest that is named.
    """

    event_type: str | None
    title: str
    shares: bool


def write_sentence(
    evidence: Sequence[Named], interest: str | None, joint: float, whole: float, num_events: int
) -> str:
    """Say why an item.

    Args:
        evidence: Events that raised it, most first.
        interest: That the item shares with some of them; None: with none.
        joint: What deleting the evidence costs the item, nats.
        whole: What the whole history does to it, nats.
        num_events: Of the history.
    """
    if not num_events:
        return "There is no history: it is what the model expects of anybody."
    if not evidence and whole > 0:
        return "No single event raised it; it follows from the history as a whole."
    if not evidence:
        return "Nothing in the history raised it: the model expects it of anybody as much or more."
    opening = "Mostly" if whole > 0 and joint >= MOSTLY * whole else "Partly"
    sharing = list(dict.fromkeys(shorten(one.title) for one in evidence if one.shares))
    ending = ""
    if interest is not None and all(one.shares for one in evidence):
        ending = f" (interest: {interest})"
    elif interest is not None and sharing:
        ending = f" ({join(sharing)}: interest {interest})"
    return f"{opening} because you {_acts(evidence)}{ending}."


def _acts(evidence: Sequence[Named]) -> str:
    """Return "bought X and Y and viewed Z"."""
    titles: dict[str, list[str]] = {}
    for one in evidence:
        verb = VERBS.get((one.event_type or "").casefold(), "chose")
        titles.setdefault(verb, []).append(shorten(one.title))
    return join([f"{verb} {join(list(dict.fromkeys(them)))}" for verb, them in titles.items()])


def join(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c".

    >>> join(["a", "b", "c"])
    'a, b and c'
    """
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]


def shorten(title: str) -> str:
    """Cut a long title at a word."""
    if len(title) <= MAX_TITLE_CHARS:
        return title
    cut = title[:MAX_TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut}…"
