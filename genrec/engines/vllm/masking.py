"""Which tokens a batch of sequences may go on with; knows tensors and tables, nothing of vLLM.

A sequence that ends with the opening token, or with it and the first tokens of an ID, may only go
on with a token that leads to an item its filters leave. Where there is no such token the text may
only end: nothing that does not exist is ever written. Every other sequence is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import trailing_states
from genrec.decode.policy import Policy
from genrec.engines.vllm.served import Catalogue
from genrec.schema import SemanticId
from genrec.semantic_ids.row_scores import NOTHING, RowScores

EXCLUDE, CANDIDATES = "genrec_exclude", "genrec_candidates"


@dataclass(frozen=True, eq=False)
class RowFilters:
    """What one request may name: a table as it was when the request came, and its filters.

    Attributes:
        catalogue: The table.
        exclude: Rows never to name.
        candidates: Rows to stay within; None: all.
        prefix_bias: Strength by semantic-ID prefix; only our own search uses it.
        matches: How well items match what is looked for; likewise.
        popularity: Of items of late; likewise.
    """

    catalogue: Catalogue
    exclude: Sequence[int] = ()
    candidates: Sequence[int] | None = None
    prefix_bias: Mapping[SemanticId, float] = field(default_factory=dict)
    matches: RowScores = NOTHING
    popularity: RowScores = NOTHING


def read_filters(extra_args: Mapping[str, Any] | None) -> dict[str, list[str | int]]:
    """Return the filters among a request's extra arguments.

    Raises:
        ValueError: A filter is not a list of item IDs or rows, or leaves nothing.
    """
    filters = {}
    for name in (EXCLUDE, CANDIDATES):
        items = (extra_args or {}).get(name)
        if items is None:
            continue
        if not isinstance(items, list) or not all(
            isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool))
            for item in items
        ):
            raise ValueError(
                f"{name} must be a list of item IDs (text) or rows (numbers), not {items!r:.80}"
            )
        filters[name] = items
    if filters.get(CANDIDATES) == []:
        raise ValueError(
            f"{CANDIDATES} is empty and would leave no item; leave it out for all items"
        )
    return filters


def resolve_filters(
    catalogue: Catalogue, named: Mapping[str, list[str | int]], strict: bool = False
) -> RowFilters:
    """Turn filters into rows of a table.

    Raises:
        DataError: ``strict``, and a filter names an item that is not there.
    """
    candidates = named.get(CANDIDATES)
    return RowFilters(
        catalogue,
        catalogue.rows(named.get(EXCLUDE, ()), strict),
        None if candidates is None else catalogue.rows(candidates, strict),
    )


def mask_items(
    logits: Tensor, rows: Tensor, tails: Tensor, row_filters: Sequence[RowFilters]
) -> None:
    """Forbid, in place, every token that leads to no item.

    Args:
        logits: Next-token scores before softmax. Shape: (B, V).
        rows: Rows of ``logits`` that are looked at. Shape: (R,).
        tails: Last tokens of these rows' sequences, L + 1 of them, -1 before a sequence's start.
            Shape: (R, L + 1).
        row_filters: Of each of these rows. R of them.
    """
    by_table: dict[int, list[int]] = {}
    for index, filters in enumerate(row_filters):
        by_table.setdefault(id(filters.catalogue), []).append(index)
    for indices in by_table.values():
        group = [row_filters[index] for index in indices]
        chosen = torch.tensor(indices, device=rows.device)
        _mask_group(logits, rows[chosen], tails[chosen], group)


def _mask_group(
    logits: Tensor, rows: Tensor, tails: Tensor, row_filters: Sequence[RowFilters]
) -> None:
    """Mask rows of one table."""
    catalogue = row_filters[0].catalogue
    trie, opening = catalogue.trie, catalogue.base.opening
    states = trailing_states(tails, trie, opening)
    inside = (states >= 0) & (states < trie.level_start[-2])
    writing = (inside | ((states < 0) & _ends_in_item(tails, catalogue))).nonzero()[:, 0]
    if not len(writing):
        return
    chosen = [row_filters[index] for index in writing.tolist()]
    constraint = Constraint.build(
        trie,
        exclude=[filters.exclude for filters in chosen],
        candidates=[filters.candidates for filters in chosen],
    )
    _, tokens, allowed, *_ = Policy(trie, constraint).expand(states[writing])
    kept = torch.zeros(len(writing), logits.shape[1], dtype=torch.bool, device=logits.device)
    row, child = allowed.nonzero(as_tuple=True)
    kept[row, tokens[row, child]] = True
    masked = logits[rows[writing]].masked_fill(~kept, -torch.inf)
    # Also where other rules of the request (its own allowed tokens) left none of ours.
    nothing = masked.isneginf().all(dim=1)
    masked[nothing, catalogue.base.end] = 0
    logits[rows[writing]] = masked


def _ends_in_item(tails: Tensor, catalogue: Catalogue) -> Tensor:
    """Tell which sequences end inside an item: an opening, then fewer than L tokens of IDs."""
    is_sid = catalogue.is_sid_token
    inside = torch.zeros(len(tails), dtype=torch.bool, device=tails.device)
    for column in range(1, tails.shape[1]):
        token = tails[:, column]
        is_sid_here = (token >= 0) & (token < len(is_sid)) & is_sid[token.clamp(0, len(is_sid) - 1)]
        inside = (token == catalogue.base.opening) | (inside & is_sid_here)
    return inside
