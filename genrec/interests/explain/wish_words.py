"""Which words of a wish speak for an item: each is left out, and the item scored again.

Enters: scored items, and whoever can score an item under a request. Leaves: nats, as for events
(``deletion``): a word may count because the item has it, or because the model read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from genrec.interests.explain.explanation_text import join
from genrec.interests.explain.scored import Score, Scored

MAX_WORDS = 24
"""Of a wish; each is a question of its own."""


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What one word does to an item's log-probability.

    Attributes:
        word: As it stands in the wish.
        nats: What the item's log-probability loses without it: above 0 the word raised it.
    """

    word: str
    nats: float


@dataclass(frozen=True, slots=True)
class WishEffect:
    """What a wish does to an item's log-probability.

    Attributes:
        nats: What the item's log-probability loses without the wish.
        words: Of its first ``MAX_WORDS`` distinct words, in their order.
    """

    nats: float
    words: tuple[WordEffect, ...]

    def sentence(self, least: float) -> str:
        """Name the words that raised the item by so many nats at least, most first; at most 3."""
        ranked = sorted(self.words, key=lambda effect: -effect.nats)
        named = [f"“{effect.word}”" for effect in ranked[:3] if effect.nats >= least]
        if named:
            return f"Of the wish, {join(named)} {'speaks' if len(named) == 1 else 'speak'} for it."
        if self.nats >= least:
            return "The wish as a whole speaks for it."
        return "The wish does not speak for it."


def weigh_wishes(items: Sequence[Scored], score: Score) -> list[WishEffect | None]:
    """Return what each request's wish does to its item; None where nothing is wished for.

    Args:
        items: Any.
        score: Asked once for all of them, not at all where nobody wishes.
    """
    shorter = [_shorter(item.request.query) for item in items]
    asked = [
        (replace(item.request, query=query), item.item_id, item.view)
        for item, queries in zip(items, shorter, strict=True)
        for query in queries.values()
    ]
    scores = iter(score(*zip(*asked, strict=True)) if asked else ())
    found: list[WishEffect | None] = []
    for item, queries in zip(items, shorter, strict=True):
        lost = {word: item.score - next(scores) for word in queries}
        words = tuple(WordEffect(word, nats) for word, nats in lost.items() if word)
        found.append(WishEffect(lost[""], words) if lost else None)
    return found


def _shorter(wish: str | None) -> dict[str, str | None]:
    """Return what is left of a wish without each of its words, and of "" without any of it."""
    if wish is None:
        return {}
    said = wish.split()
    distinct = list(dict.fromkeys(said))[:MAX_WORDS]
    rests = {word: " ".join(other for other in said if other != word) or None for word in distinct}
    return {"": None} | rests
