"""What titles and reviews are about: themes found by factorizing TF-IDF into parts (NMF).

Themes cut across interests: "gifts" or "sensitive skin" are spoken of in many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from genrec.graph.words.corpus import Text, review_texts, title_texts
from genrec.graph.words.tokens import tokenize
from genrec.interests.explain.shared_prefix import NamedCodes
from genrec.schema import History, Item, SemanticId

NUM_THEMES = 20
MAX_SHARE = 0.5
MAX_WORDS = 20_000
SHOWN_WORDS = 8

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True)
class Themes:
    """Themes with their share of every text.

    Attributes:
        words: The leading words of each theme, best first; no more than ``SHOWN_WORDS``.
        texts: What they were found in.
        shares: Of each theme in each text; a row sums to 1, or is zero where the text has no
            word that the themes know. Shape: (number of texts, number of themes).
    """

    words: list[list[str]]
    texts: list[Text] = field(repr=False)
    shares: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.words)

    def of_interests(self, table: NamedCodes, depth: int = 1) -> dict[SemanticId, np.ndarray]:
        """Return the mean share of each theme in an interest's texts; see ``of_users``."""
        return self._means(
            lambda text: table.codes_of(text.item_id)[:depth] if table.knows(text.item_id) else None
        )

    def of_users(self) -> dict[str, np.ndarray]:
        """Return the mean share of each theme in a user's reviews.

        Users who wrote nothing that the themes know are left out. Shape of each: (themes,).
        """
        return self._means(lambda text: text.user_id)

    def _means(self, group_of: Callable[[Text], Group | None]) -> dict[Group, np.ndarray]:
        sums: dict[Group, np.ndarray] = {}
        for text, shares in zip(self.texts, self.shares, strict=True):
            group = group_of(text)
            if group is not None and shares.any():
                sums[group] = sums.get(group, 0) + shares
        return {group: total / total.sum() for group, total in sums.items()}


def find_themes(
    items: Sequence[Item],
    histories: Iterable[History],
    num_themes: int = NUM_THEMES,
    min_texts: int = 2,
    seed: int = 0,
) -> Themes:
    """Find themes in titles and reviews.

    Args:
        items: The catalogue.
        histories: Whose reviews count.
        num_themes: Most themes; few or alike texts have fewer.
        min_texts: Words of fewer texts are passed over.
        seed: Of the factorization's start.

    Returns:
        Themes, those with the largest share first; none where there is no text.
    """
    from sklearn.decomposition import NMF
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [*title_texts(items), *review_texts(histories)]
    vectorizer = TfidfVectorizer(
        analyzer=tokenize,
        min_df=min(min_texts, len(texts) or 1),
        # Of few texts a word in most of them may be all there is.
        max_df=MAX_SHARE if len(texts) > 2 * min_texts / MAX_SHARE else 1.0,
        max_features=MAX_WORDS,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        weights = vectorizer.fit_transform([text.words for text in texts])
    except ValueError:  # no word is left
        return Themes([], texts, np.zeros((len(texts), 0)))
    num_themes = min(num_themes, *weights.shape)
    model = NMF(num_themes, init="nndsvda", random_state=seed, max_iter=400, tol=1e-3)
    found = model.fit_transform(weights).astype(np.float64)
    # A theme's scale is arbitrary between the two factors.
    found *= model.components_.sum(axis=1)
    totals = found.sum(axis=1, keepdims=True)
    shares = np.divide(found, totals, out=np.zeros_like(found), where=totals > 1e-12)
    order = np.argsort(-shares.sum(axis=0), kind="stable")
    order = order[shares.sum(axis=0)[order] > 0]
    names = vectorizer.get_feature_names_out()
    words = [
        [str(names[n]) for n in np.argsort(-row, kind="stable")[:SHOWN_WORDS] if row[n] > 0]
        for row in model.components_[order]
    ]
    return Themes(words, texts, shares[:, order])
