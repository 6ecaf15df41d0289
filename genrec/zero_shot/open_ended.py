"""Open recommendation: the model names titles freely; those in the catalogue are kept."""

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
"""Minimum cosine of character n-grams for a match. A title of four words with one word changed
still passes; a shared brand alone does not."""


class TitleIndex:
    """Finds the item that a title refers to."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Index the titles as prompts show them."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._items = list(items)
        titles = [_normalize(quote_text(item.label)) for item in items]
        self._exact: dict[str, int] = {}
        for row, title in enumerate(titles):
            self._exact.setdefault(title, row)
        # An extra text, because a vectorizer cannot be fitted on none.
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
        self._vectors = self._vectorizer.fit_transform([*titles, "any"])[:-1]

    def find(self, title: str) -> Item | None:
        """Return the item with the most similar title; None below ``MIN_SIMILARITY``."""
        normal = _normalize(title)
        if normal in self._exact:
            return self._items[self._exact[normal]]
        if not normal or not self._items:
            return None
        cosines = (self._vectors @ self._vectorizer.transform([normal]).T).toarray().ravel()
        best = int(cosines.argmax())
        return self._items[best] if cosines[best] >= MIN_SIMILARITY else None


@dataclass(frozen=True)
class OpenRecommender:
    """Asks for titles and matches them to items.

    Attributes:
        model: The chat model.
        writer: Renders the prompts.
        index: Of the catalogue's titles.
        answer_tokens: Maximum length of the answer.
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
        """Return the items named, in order, with their negative rank.

        Titles that match no item or an item that the request forbids are dropped and counted.

        Args:
            request: Whose history is shown.
            shelf: Items shown as part of the shop's range; may be empty.
            wanted: Number of titles to ask for.
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
        dropped, forbidden = self.model.usage.dropped, request.forbidden
        kept: dict[str, Item] = {}
        for title in named:
            item = self.index.find(title)
            if item is None:
                dropped["title of no item"] += 1
            elif item.item_id in forbidden or (
                request.candidates is not None and item.item_id not in request.candidates
            ):
                dropped["item not allowed"] += 1
            elif item.item_id in kept:
                dropped["named twice"] += 1
            else:
                kept[item.item_id] = item
        return [(item, -float(rank)) for rank, item in enumerate(kept.values(), start=1)]


def _normalize(title: str) -> str:
    folded = unicodedata.normalize("NFKC", title).casefold()
    return " ".join(re.findall(r"\w+", folded))
