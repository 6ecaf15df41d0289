"""From an engine's queries to the policy of a search: filters, fusion with the SASRec head, bias.

The SASRec head reads the items of the prompt, that is the same tokens as the causal LM, so engines
agree and need nothing but prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, written_leaves
from genrec.decode.fusion import LogitFusion
from genrec.decode.leaf_scores import FactoredScores, SingleScores
from genrec.decode.policy import Policy, PrefixBias
from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.item_transitions import ItemTransitions
from genrec.model.sasrec_head import RECENT, SasRecHead, newest
from genrec.model.vocabulary import SidVocabulary
from genrec.schema import SemanticId
from genrec.semantic_ids.matching import Matches
from genrec.semantic_ids.table import SemanticIdTable

AT_ONCE = 2**16
"""Items whose vectors are computed together."""


class HeadScores(NamedTuple):
    """What a second model says of every leaf after each prompt, whatever the filters.

    Attributes:
        vectors: Of the leaves, by place; see ``FactoredScores``. Shape: (N, W).
        queries: Of the prompts. Shape: (B, W).
        singles: What is added at single leaves.
        weight: See ``LogitFusion``.
        wish: Factor of a query's matches, see ``Terms``.
    """

    vectors: Tensor
    queries: Tensor
    singles: SingleScores
    weight: float
    wish: float

    def of_leaves(self) -> FactoredScores:
        """Return the scores."""
        return FactoredScores.of(self.vectors, self.queries, self.singles)

    def with_matches(self, queries: Sequence[Steering], place_of: Tensor) -> FactoredScores:
        """Return the scores with what matches each query's wish; take the place of each leaf."""
        found = [query.matches for query in queries]
        if not self.wish or not any(len(matches.rows) for matches in found):
            return self.of_leaves()
        device = self.vectors.device
        sizes = torch.tensor([len(matches.rows) for matches in found], device=device)
        leaves = torch.as_tensor(np.concatenate([matches.rows for matches in found]), device=device)
        scores = torch.as_tensor(np.concatenate([matches.scores for matches in found]))
        wished = SingleScores(
            torch.repeat_interleave(sizes),
            place_of[leaves].long(),
            self.wish * scores.to(self.vectors),
        )
        both = SingleScores(*map(torch.cat, zip(self.singles, wished, strict=True)))
        return self._replace(singles=both).of_leaves()


class SasRecFusion:
    """A SASRec head and what it needs to know of the items of one version of the table."""

    def __init__(
        self,
        head: SasRecHead,
        table: SemanticIdTable,
        trained_on: SemanticIdTable,
        trie: DeviceTrie,
        opening: int,
    ) -> None:
        """Compute the vectors of a table's items.

        Args:
            head: Trained, on the device of ``trie``.
            table: Its items are scored.
            trained_on: The table of the head's training.
            trie: Of ``table``.
            opening: Token after which an item is written.
        """
        self._head, self._trie, self._opening = head, trie, opening
        self._items = ItemFeatures.of(table, trained_on).to(trie.tokens.device)
        self._transitions = None
        with torch.inference_mode():
            self._vectors = torch.cat(
                [self._describe(rows) for rows in trie.leaf_at.long().split(AT_ONCE)]
            )
            if head.transitions is not None and head.terms.transitions:
                self._transitions = ItemTransitions(head.transitions, self._items)

    @torch.inference_mode()
    def read(self, input_ids: Tensor) -> HeadScores:
        """Return the head's scores of what follows each prompt.

        Args:
            input_ids: Prompts, padded with anything that opens no item. Shape: (B, T).
        """
        head, terms, place_of = self._head, self._head.terms, self._trie.place_of
        histories = written_leaves(input_ids, self._trie, self._opening)
        histories = newest(histories, head.config.max_events)
        met = self._vectors[place_of[histories.clamp(min=0)].long()]
        queries = [head.read(histories, met[..., : head.config.hidden_size])]
        if head.knows_likeness:
            profiles = self._items.profiles(newest(histories, RECENT))
            queries.append(terms.likeness * profiles)
        if terms.new_item_boost:
            queries.append(queries[0].new_full((len(histories), 1), terms.new_item_boost))
        none = histories.new_zeros(0)
        singles = SingleScores(none, none, self._vectors.new_zeros(0))
        if self._transitions is not None:
            owners, rows, odds = self._transitions.singles(histories)
            singles = SingleScores(owners, place_of[rows].long(), terms.transitions * odds)
        wide = torch.cat(queries, dim=1)
        return HeadScores(self._vectors, wide, singles, head.weight, terms.wish)

    def _describe(self, rows: Tensor) -> Tensor:
        """Return what queries are multiplied with, for some rows. Shape: (n, W)."""
        items = self._items[rows]
        parts = [self._head.vectors(items)]
        if self._head.knows_likeness:
            parts.append(items.text)
        if self._head.terms.new_item_boost:
            parts.append((items.trained == NO_ROW).to(items.text).unsqueeze(1))
        return torch.cat(parts, dim=1)


class Steering(Protocol):
    """What a query asks for besides its prompt; see ``engines.base.ItemQuery``."""

    @property
    def exclude(self) -> Sequence[int]:
        """Rows of the ID table never to return."""
        ...

    @property
    def candidates(self) -> Sequence[int] | np.ndarray | None:
        """Return only these rows; None: all."""
        ...

    @property
    def prefix_bias(self) -> Mapping[SemanticId, float]:
        """Strength by semantic-ID prefix."""
        ...

    @property
    def matches(self) -> Matches:
        """How well items match what is looked for."""
        ...


def make_policy(
    trie: DeviceTrie,
    vocabulary: SidVocabulary,
    queries: Sequence[Steering],
    head: HeadScores | None,
) -> Policy:
    """Return how a batch of queries is decoded.

    Args:
        trie: Of the ID table.
        vocabulary: Codes to tokens.
        queries: B of them.
        head: What the SASRec head says after their prompts; None: the causal LM alone.
    """
    constraint = Constraint.build(
        trie,
        exclude=[query.exclude for query in queries],
        candidates=[query.candidates for query in queries],
    )
    bias = None
    if any(query.prefix_bias for query in queries):
        bias = PrefixBias.build(
            trie,
            [
                {
                    tuple(vocabulary.paths(np.array([prefix]))[0].tolist()): strength
                    for prefix, strength in query.prefix_bias.items()
                    if vocabulary.holds(prefix)
                }
                for query in queries
            ],
        )
    fusion = None
    if head is not None:
        scores = head.with_matches(queries, trie.place_of)
        fusion = LogitFusion.build(trie, scores, head.weight, constraint)
    return Policy(trie, constraint, fusion, bias)
