"""Wishes that somebody might have uttered before taking an item, for logs that hold no searches.

A wish is drawn from what is known of an item: the name of a category, the finest most often; a
phrase of a training review of it; for training alone, of its title or description too. It has the
words of one such text, or of two. A phrase is the run of words that says most: whose words the
fewest other texts have ("Five Stars" is no wish). Who measures with wishes must not draw from the
very texts that matches look into, or finding words again would seem to be understanding: from the
description only where there is nothing else, and from the title never.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from math import log

from genrec.data import Dataset
from genrec.schema import History, Item, Search
from genrec.semantic_ids.phrases import MAX_REVIEWS, STOP_WORDS
from genrec.semantic_ids.text import words

FINEST_SHARE = 0.7
TWO_SHARE = 0.5
FEWEST_WORDS, MOST_WORDS = 1, 4
"""Of a description, review or title in a wish."""
REVIEWS_OF_ITEM = 20
WISHED_SHARE = 0.5
"""Of the events of a history that wishes are put into."""


class WishSampler:
    """Draws wishes for the items of a data set."""

    def __init__(self, data: Dataset, to_measure: bool) -> None:
        """Read the items and the training reviews.

        Args:
            data: Of its events only the training ones are read.
            to_measure: Whether something is measured or chosen by the wishes.
        """
        self._find = data.items_by_id.get
        self._to_measure = to_measure
        self._reviews: dict[str, list[str]] = defaultdict(list)
        self._frequency: Counter[str] = Counter()
        self._num_texts = 0
        events = (event for history in data.histories("train") for event in history.events)
        for event in islice((event for event in events if event.opinion), MAX_REVIEWS):
            opinion, own = event.opinion or "", self._reviews[event.item_id]
            self._count(opinion)
            if len(own) < REVIEWS_OF_ITEM:
                own.append(opinion)
        for item in data.items:
            if item.description:
                self._count(item.description)

    def review_of(self, item_id: str, rng: random.Random) -> str | None:
        """Return one of an item's training reviews; None where it has none."""
        own = self._reviews.get(item_id)
        return rng.choice(own) if own else None

    def draw(self, item_id: str, rng: random.Random, said: str | None = None) -> str | None:
        """Return a wish for an item; None where nothing is known to wish by.

        Args:
            item_id: What is wished for.
            rng: Source of chance.
            said: What who wishes wrote of it later; None: one of its training reviews stands in.
        """
        item = self._find(item_id) or Item(item_id)
        sources: list[Callable[[], str]] = []
        if item.categories:
            sources.append(lambda: category_of(item, rng))
        texts = [said or self.review_of(item_id, rng)]
        if not self._to_measure:
            texts += [item.title, item.description]
        elif not (sources or texts[0]):
            texts = [item.description]
        sources += [partial(self.phrase_of, text, rng) for text in texts if text]
        if not sources:
            return None
        count = 2 if len(sources) > 1 and rng.random() < TWO_SHARE else 1
        return " ".join(source() for source in rng.sample(sources, count)).strip() or None

    def phrase_of(self, text: str, rng: random.Random) -> str:
        """Return the run of a few words of a text that says most; empty where none says a thing."""
        found = words(text)
        length = min(rng.randint(FEWEST_WORDS, MOST_WORDS), len(found))
        worth = [self._rarity(word) for word in found]
        starts = range(len(found) - length + 1)
        sums = [sum(worth[start : start + length]) for start in starts]
        if not any(sums):
            return ""
        start = max(starts, key=sums.__getitem__)
        return " ".join(found[start : start + length])

    def _count(self, text: str) -> None:
        self._frequency.update(set(words(text)))
        self._num_texts += 1

    def _rarity(self, word: str) -> float:
        if word in STOP_WORDS:
            return 0.0
        return log((self._num_texts + 1) / (self._frequency[word] + 1))


def wished(
    histories: Iterable[History], sampler: WishSampler, rng: random.Random
) -> Iterator[History]:
    """Yield histories in which half of the events have a wish for their item before them.

    An event of the same second as the one before has none: there is no time for a search between.
    """
    for history in histories:
        searches = []
        for before, event in pairwise((None, *history.events)):
            assert event is not None
            is_later = before is None or before.timestamp < event.timestamp
            if is_later and rng.random() < WISHED_SHARE:
                wish = sampler.draw(event.item_id, rng)
                if wish is not None:
                    searches.append(Search(event.timestamp - 1, wish))
        if searches:
            yield replace(history, searches=tuple(searches))


def category_of(item: Item, rng: random.Random) -> str:
    """Return the words of one of an item's categories, of which it has some."""
    is_finest = rng.random() < FINEST_SHARE
    return " ".join(words(item.categories[-1] if is_finest else rng.choice(item.categories)))
