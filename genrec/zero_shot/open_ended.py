"""Open recommendations: the model names what it likes, and only what the catalogue has is kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.schema import Item, Request
from genrec.zero_shot.chat import ChatModel
from genrec.zero_shot.json_answers import list_format, list_parser, request_json
from genrec.zero_shot.prompts import FewShotExample, PromptWriter, fit
from genrec.zero_shot.quoting import quote_text

MIN_SIMILARITY = 0.7
"""Cosine of character n-grams below which a title is none of an item's: a word of difference in a
title of four still passes, a shared brand alone does not."""


class TitleIndex:
    """Finds the item that a title means."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Index the titles, as prompts write them."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._items = list(items)
        titles = [_normal(quote_text(item.label)) for item in items]
        self._exact: dict[str, int] = {}
        for place, title in enumerate(titles):
            self._exact.setdefault(title, place)
        # No title at all would leave no n-gram to learn.
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
        self._vectors = self._vectorizer.fit_transform([*titles, "any"])[:-1]

    def find(self, title: str, least: float = MIN_SIMILARITY) -> tuple[Item, float] | None:
        """Return the item with the likest title and how alike they are; None where none is.

        Args:
            title: As the model wrote it.
            least: Cosine from 0 to 1.
        """
        wanted = _normal(title)
        if wanted in self._exact:
            return self._items[self._exact[wanted]], 1.0
        if not wanted or not self._items:
            return None
        likeness = (self._vectors @ self._vectorizer.transform([wanted]).T).toarray().ravel()
        best = int(likeness.argmax())
        return (self._items[best], float(likeness[best])) if likeness[best] >= least else None


@dataclass(frozen=True)
class OpenRecommender:
    """Asks for titles and maps them to items.

    Attributes:
        model: Whom to ask.
        writer: Renders the prompts.
        index: Of the catalogue's titles.
        answer_tokens: Room for the answer.
    """

    model: ChatModel
    writer: PromptWriter
    index: TitleIndex
    answer_tokens: int = 512

    async def recommend(
        self,
        request: Request,
        shelf: Sequence[Item],
        wanted: int,
        examples: Sequence[FewShotExample] = (),
    ) -> list[tuple[Item, float]]:
        """Return the items named, in order, with minus their rank; what is no item is dropped.

        Args:
            request: What it forbids is dropped and counted too.
            shelf: Items shown as what the shop has; may be empty.
            wanted: How many titles to ask for.
            examples: Few-shot examples.

        Raises:
            ChatError: No usable answer; counted in the model's usage.
        """
        build = self.writer.open(request, self.writer.titles(shelf), wanted, examples)
        chat = await fit(build, request.history, self.model, self.answer_tokens)
        named = await request_json(
            self.model,
            chat,
            list_format("titles", "titles", None, wanted),
            list_parser("titles"),
            self.answer_tokens,
            self.writer.repair,
        )
        return self._ground(named[:wanted], request)

    def _ground(self, named: Sequence[str], request: Request) -> list[tuple[Item, float]]:
        dropped = self.model.usage.dropped
        banned = set(request.exclude)
        if request.filter_seen:
            banned.update(event.item_id for event in request.history.events)
        found: dict[str, Item] = {}
        for title in named:
            match = self.index.find(title)
            if match is None:
                dropped["title of no item"] += 1
                continue
            item = match[0]
            outside = request.candidates is not None and item.item_id not in request.candidates
            if item.item_id in banned or outside:
                dropped["item not allowed"] += 1
            elif item.item_id in found:
                dropped["named twice"] += 1
            else:
                found[item.item_id] = item
        return [(item, -float(rank)) for rank, item in enumerate(found.values(), start=1)]


def _normal(title: str) -> str:
    folded = unicodedata.normalize("NFKC", title).casefold()
    return " ".join(re.findall(r"\w+", folded))
