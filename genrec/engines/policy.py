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
from genrec.model.item_features import ItemFeatures
from genrec.model.item_transitions import ItemTransitions
from genrec.model.sasrec_head import RECENT, SasRecHead, Terms, newest
from genrec.model.vocabulary import SidVocabulary
from genrec.schema import (
    LANGUAGE_MODEL,
    NEW_ITEM,
    POPULARITY,
    PREFERENCES,
    SASREC,
    TEXT_MATCH,
    TRANSITIONS,
    WISH,
    SemanticId,
)
from genrec.semantic_ids.row_scores import RowScores
from genrec.semantic_ids.table import SemanticIdTable

AT_ONCE = 2**16
"""Items whose vectors are computed together."""


class HeadScores(NamedTuple):
    """What a second model says of every leaf after each prompt, whatever the filters.

    Attributes:
        vectors: Of the leaves, by place; see ``FactoredScores``. Shape: (N, W).
        average: Of these vectors. Shape: (W,).
        columns: Whose of the W numbers are which, by scorer.
        queries: Of the prompts. Shape: (B, W).
        singles: What scorers add at single leaves.
        weight: See ``LogitFusion``; 0: nothing but matches counts, beside the LM.
        wish: Factor of a query's matches, see ``Terms``.
        popularity: Factor of recent popularity, likewise.
    """

    vectors: Tensor
    average: Tensor
    columns: Mapping[str, slice]
    queries: Tensor
    singles: Mapping[str, SingleScores]
    weight: float
    wish: float
    popularity: float = 0.0

    def repeat(self, times: int) -> HeadScores:
        """Return the scores after prompts that are each asked as often, one after the other."""
        if times == 1:
            return self
        again = torch.arange(times, device=self.queries.device)
        singles = {
            name: SingleScores(
                (one.rows.unsqueeze(1) * times + again).flatten(),
                one.places.repeat_interleave(times),
                one.values.repeat_interleave(times),
            )
            for name, one in self.singles.items()
        }
        return self._replace(queries=self.queries.repeat_interleave(times, dim=0), singles=singles)

    def heeding(self, queries: Sequence[Steering], place_of: Tensor) -> HeadScores:
        """Return the scores with what each query brings: matches of a wish, and popularity.

        Args:
            queries: B of them.
            place_of: Of each leaf. Shape: (N,).
        """
        brought = {
            WISH: (self.wish, [query.matches for query in queries]),
            POPULARITY: (self.popularity, [query.popularity for query in queries]),
        }
        found = {
            name: self._at_leaves(factor, scores, place_of)
            for name, (factor, scores) in brought.items()
            if factor and any(len(of_query.rows) for of_query in scores)
        }
        return self._replace(singles={**self.singles, **found})

    def _at_leaves(
        self, factor: float, found: Sequence[RowScores], place_of: Tensor
    ) -> SingleScores:
        """Return what is said of some leaves after each prompt, times a factor."""
        device = self.vectors.device
        sizes = torch.tensor([len(scores.rows) for scores in found], device=device)
        leaves = torch.as_tensor(np.concatenate([scores.rows for scores in found]), device=device)
        values = torch.as_tensor(np.concatenate([scores.scores for scores in found]))
        return SingleScores(
            torch.repeat_interleave(sizes),
            place_of[leaves].long(),
            factor * values.to(self.vectors),
        )

    def weighed(self, weight: float | None) -> HeadScores:
        """Return the scores under another weight; None: as it is. At 0 only matches are left."""
        if weight is None:
            return self
        if weight > 0:
            return self._replace(weight=weight)
        return HeadScores(
            *(self.vectors[:, :0], self.average[:0], {}, self.queries[:, :0], {}),
            *(0.0, self.wish),
        )

    @property
    def loudness(self) -> float:
        """What is multiplied with scores in the search."""
        return self.weight or 1.0

    def fuse(self, trie: DeviceTrie, constraint: Constraint | None = None) -> LogitFusion | None:
        """Return how the scores join those of the LM; None where they change nothing."""
        if self.weight:
            return LogitFusion.build(trie, self.of_leaves(), self.weight, constraint)
        if self.singles:
            return LogitFusion.tilt(trie, self.of_leaves(), constraint)
        return None

    def of_leaves(self) -> FactoredScores:
        """Return all of it as one score of each leaf."""
        none = SingleScores.none(self.vectors)
        joined = SingleScores(*map(torch.cat, zip(none, *self.singles.values(), strict=True)))
        return FactoredScores.of(self.vectors, self.queries, joined)

    def by_scorer(self, places: Tensor) -> dict[str, Tensor]:
        """Return what each scorer says of some leaves, beside the average leaf.

        Args:
            places: Of the leaves. Shape: (B, K), int64.

        Returns:
            Shape of each: (B, K), float32.
        """
        found = {}
        for name, columns in self.columns.items():
            queries, vectors = self.queries[:, columns], self.vectors[places][..., columns]
            averages = queries @ self.average[columns]
            found[name] = (vectors @ queries.unsqueeze(-1)).squeeze(-1) - averages.unsqueeze(-1)
        rows = torch.arange(len(places), device=places.device).unsqueeze(1).expand_as(places)
        nothing = self.vectors[:, :0], self.queries[:, :0]
        for name, singles in self.singles.items():
            scores = FactoredScores.of(*nothing, singles).at(rows.flatten(), places.flatten())
            sums = scores.new_zeros(len(places)).index_add_(0, singles.rows, singles.values)
            found[name] = scores.view_as(places) - (sums / len(self.vectors)).unsqueeze(-1)
        return found


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
        self._boosts = bool(head.new_item_boost) and len(self._items.unknown) > 0
        self._transitions = None
        with torch.inference_mode():
            self._vectors = torch.cat(
                [self._describe(rows) for rows in trie.leaf_at.long().split(AT_ONCE)]
            )
            self._average = self._vectors.mean(dim=0)
            if head.transitions is not None and head.terms.transitions:
                self._transitions = ItemTransitions(head.transitions.num_items, self._items)

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
        queries = {SASREC: head.read(histories, met[..., : head.config.hidden_size])}
        if head.knows_likeness:
            profiles = self._items.profiles(newest(histories, RECENT))
            queries[TEXT_MATCH] = terms.likeness * profiles
        if self._boosts:
            # The search multiplies all of this with the weight; the boost stands beside it.
            boost = head.new_item_boost / head.weight
            queries[NEW_ITEM] = queries[SASREC].new_full((len(histories), 1), boost)
        singles = {}
        if self._transitions is not None and head.transitions is not None:
            owners, rows, odds = self._transitions.singles(head.transitions, histories)
            places = place_of[rows].long()
            singles[TRANSITIONS] = SingleScores(owners, places, terms.transitions * odds)
        ends = np.cumsum([0, *(part.shape[1] for part in queries.values())]).tolist()
        columns = dict(zip(queries, map(slice, ends[:-1], ends[1:]), strict=True))
        return HeadScores(
            *(self._vectors, self._average, columns, torch.cat([*queries.values()], dim=1)),
            *(singles, head.weight, terms.wish, terms.popularity),
        )

    def _describe(self, rows: Tensor) -> Tensor:
        """Return what queries are multiplied with, for some rows. Shape: (n, W)."""
        items = self._items[rows]
        parts = [self._head.vectors(items)]
        if self._head.knows_likeness:
            parts.append(items.text)
        if self._boosts:
            parts.append((~items.known).to(items.text).unsqueeze(1))
        return torch.cat(parts, dim=1)


class MatchesAlone:
    """Stands for a SASRec head where there is none, or none with a say: a wish counts even so."""

    def __init__(self, trie: DeviceTrie, terms: Terms) -> None:
        """Take the factor of wishes.

        Args:
            trie: Of the ID table.
            terms: Of a head that has no say, or those that any head begins with.
        """
        device = trie.tokens.device
        self._vectors = torch.zeros(trie.num_leaves, 0, device=device)
        self._average, self._wish = torch.zeros(0, device=device), terms.wish

    def read(self, input_ids: Tensor) -> HeadScores:
        """See ``SasRecFusion.read``."""
        queries = self._vectors.new_zeros(len(input_ids), 0)
        return HeadScores(self._vectors, self._average, {}, queries, {}, 0.0, self._wish)


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
    def matches(self) -> RowScores:
        """How well items match what is looked for."""
        ...

    @property
    def popularity(self) -> RowScores:
        """What is popular of late."""
        ...


def score_parts(
    policy: Policy,
    head: HeadScores,
    leaves: Tensor,
    alone: Tensor,
) -> dict[str, np.ndarray]:
    """Say what each scorer adds to the scores of leaves, beside an average item.

    The causal LM's part is its log-probability above that of an item drawn from those allowed; a
    term of the head counts above its mean over the catalogue. Both are weighted as in the fusion.

    Args:
        policy: Of B rows.
        head: What the policy was made with, see ``make_policy``.
        leaves: That were found, -1 for none. Shape: (B, K).
        alone: See ``Beams``. Shape: (B, K).

    Returns:
        Nats by scorer. Shape of each: (B, K), float32.
    """
    trie, rows = policy.trie, leaves.clamp(min=0)
    ends = torch.tensor([[0, trie.num_leaves]], device=leaves.device).expand(len(leaves), -1)
    places = ends if policy.constraint is None else policy.constraint.leaves_before(ends)
    count = places.diff(dim=1).clamp(min=1)
    parts = {LANGUAGE_MODEL: (1 - head.weight) * (alone + count.log())}
    found = head.by_scorer(trie.place_of[rows].long())
    parts |= {name: head.loudness * above for name, above in found.items()}
    if policy.bias is not None:
        lineage = trie.lineage(rows)[..., 1:]
        parts[PREFERENCES] = policy.bias.strength_at(lineage).sum(dim=-1)
    return {name: nats.float().cpu().numpy() for name, nats in parts.items()}


def make_policy(
    trie: DeviceTrie,
    vocabulary: SidVocabulary,
    queries: Sequence[Steering],
    head: HeadScores,
) -> Policy:
    """Return how a batch of queries is decoded.

    Args:
        trie: Of the ID table.
        vocabulary: Codes to tokens.
        queries: B of them.
        head: What the SASRec head says after their prompts, with what matches their wishes (see
            ``HeadScores.heeding``).
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
    fusion = head.fuse(trie, constraint)
    return Policy(trie, constraint, fusion, bias)
