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

from genrec.decode.device_trie import DeviceTrie, written_leaves
from genrec.decode.policy import Constraint, LogitFusion, Policy, PrefixBias
from genrec.model.item_features import ItemFeatures
from genrec.model.sasrec_head import SasRecHead
from genrec.model.vocabulary import SidVocabulary
from genrec.schema import LANGUAGE_MODEL, PREFERENCES, WISH, SemanticId
from genrec.semantic_ids.matching import Matches
from genrec.semantic_ids.table import SemanticIdTable


class LeafScores(NamedTuple):
    """What a second model says of every leaf after each prompt, whatever the filters.

    Attributes:
        logits: Shape: (B, num_leaves), float32.
        weight: See ``LogitFusion``.
        wish: Factor of a query's matches, see ``Terms``.
        terms: What ``logits`` are added up from, by scorer. Shape of each: (B, num_leaves).
    """

    logits: Tensor
    weight: float
    wish: float
    terms: Mapping[str, Tensor]

    def with_matches(self, queries: Sequence[Steering]) -> Tensor:
        """Return the logits with what matches each query's wish. Shape: (B, num_leaves)."""
        found = [query.matches for query in queries]
        if not self.wish or not any(len(matches.rows) for matches in found):
            return self.logits
        return self.logits + self.matches(queries)

    def matches(self, queries: Sequence[Steering]) -> Tensor:
        """Return what matches each query's wish adds to the logits. Shape: (B, num_leaves)."""
        found = [query.matches for query in queries]
        owners = torch.repeat_interleave(torch.tensor([len(matches.rows) for matches in found]))
        rows = torch.as_tensor(np.concatenate([matches.rows for matches in found]))
        scores = torch.as_tensor(np.concatenate([matches.scores for matches in found]))
        device = self.logits.device
        places = owners.to(device), rows.to(device)
        nothing = torch.zeros_like(self.logits)
        return nothing.index_put(places, self.wish * scores.to(self.logits), accumulate=True)


class SasRecFusion:
    """A SASRec head and the vectors of one version of the table."""

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
        self._items = ItemFeatures.of(table, trained_on).to(trie.tokens.device)
        with torch.inference_mode():
            self._vectors = head.vectors(self._items)
        self._head, self._trie, self._opening = head, trie, opening

    @torch.inference_mode()
    def read(self, input_ids: Tensor) -> LeafScores:
        """Return the head's scores of what follows each prompt.

        Args:
            input_ids: Prompts, padded with anything that opens no item. Shape: (B, T).
        """
        histories = written_leaves(input_ids, self._trie, self._opening)
        terms = self._head.terms
        parts = self._head.score_parts(histories, self._items, self._vectors, terms)
        logits = parts.join(self._items, terms)
        return LeafScores(
            *(logits, self._head.weight, terms.wish), parts.by_scorer(self._items, terms)
        )


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


def score_parts(
    policy: Policy,
    head: LeafScores | None,
    queries: Sequence[Steering],
    leaves: Tensor,
    alone: Tensor,
) -> dict[str, np.ndarray]:
    """Say what each scorer adds to the scores of leaves, beside an average item.

    The causal LM's part is its log-probability above that of an item drawn from those allowed; a
    term of the head counts above its mean over the catalogue. Both are weighted as in the fusion.

    Args:
        policy: Of B rows.
        head: What the SASRec head says after their prompts, see ``make_policy``.
        queries: B of them.
        leaves: That were found, -1 for none. Shape: (B, K).
        alone: See ``Beams``. Shape: (B, K).

    Returns:
        Nats by scorer. Shape of each: (B, K), float32.
    """
    weight = 0.0 if head is None else head.weight
    trie, rows = policy.trie, leaves.clamp(min=0)
    ends = torch.tensor([[0, trie.num_leaves]], device=leaves.device).expand(len(leaves), -1)
    places = ends if policy.constraint is None else policy.constraint.leaves_before(ends)
    count = places.diff(dim=1).clamp(min=1)
    parts = {LANGUAGE_MODEL: (1 - weight) * (alone + count.log())}
    if head is not None:
        terms = dict(head.terms)
        if any(len(query.matches.rows) for query in queries):
            terms[WISH] = head.matches(queries)
        for name, scores in terms.items():
            parts[name] = weight * (scores.gather(1, rows) - scores.mean(dim=1, keepdim=True))
    if policy.bias is not None:
        lineage = trie.lineage(rows)[..., 1:]
        parts[PREFERENCES] = policy.bias.strength_at(lineage).sum(dim=-1)
    return {name: nats.float().cpu().numpy() for name, nats in parts.items()}


def make_policy(
    trie: DeviceTrie,
    vocabulary: SidVocabulary,
    queries: Sequence[Steering],
    head: LeafScores | None,
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
        fusion = LogitFusion.build(trie, head.with_matches(queries), head.weight, constraint)
    return Policy(trie, constraint, fusion, bias)
