"""Which tokens may follow when a text must be a list of known phrases.

Enters: token sequences of the phrases. Leaves: for any text so far, the tokens that may come next.
A phrase may begin another, so a text can stand at several places at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_COMPLETE = -1


class PhraseList:
    """Texts of the form "phrase; phrase; phrase", ended by an end token."""

    def __init__(
        self, openings: Iterable[Sequence[int]], continuations: Iterable[Sequence[int]], end: int
    ) -> None:
        """Index the phrases.

        Args:
            openings: Tokens of each phrase where it stands first.
            continuations: Tokens of each phrase where it follows another, with the separator.
            end: Token that ends the text; allowed after any whole phrase.
        """
        self._first = _index(openings)
        self._later = _index(continuations)
        self._end = end

    def allowed(self, written: Sequence[int]) -> list[int]:
        """Return the tokens that may follow ``written``; never empty.

        A text that no phrases could have begun, or that has ended, may only end.
        """
        places = [self._first]
        for token in written:
            places = [place[token] for place in self._expand(places) if token in place]
        following = {token for place in self._expand(places) for token in place}
        if any(_COMPLETE in place for place in places):
            following.add(self._end)
        return sorted(following - {_COMPLETE}) or [self._end]

    def _expand(self, places: list[dict[int, Any]]) -> list[dict[int, Any]]:
        whole = any(_COMPLETE in place for place in places)
        return [*places, self._later] if whole else places


def _index(sequences: Iterable[Sequence[int]]) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for sequence in sequences:
        place = root
        for token in sequence:
            place = place.setdefault(token, {})
        place[_COMPLETE] = {}
    return root
