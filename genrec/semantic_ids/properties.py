"""What a table itself says of its items, as attributes that filters and rules can ask for."""

from __future__ import annotations

import numpy as np

from genrec.semantic_ids.table import SemanticIdTable


def interest_names(table: SemanticIdTable) -> list[tuple[str, ...]]:
    """Return of each row the names of the interests it belongs to, coarse to fine."""
    names = {
        prefix: tuple(dict.fromkeys((table.name_of(prefix[:1]), table.name_of(prefix))))
        for prefix in {tuple(codes) for codes in table.codes[:, :2].tolist()}
    }
    return [names[tuple(codes)] for codes in table.codes[:, :2].tolist()]


def is_new(table: SemanticIdTable) -> list[bool]:
    """Tell of each row whether training never met its item."""
    new: list[bool] = (~table.seen_in_training).tolist()
    return new


HEAD, MIDDLE, TAIL = "head", "middle", "tail"
HEAD_SHARE = TAIL_SHARE = 0.2


def popularity_groups(counts: np.ndarray) -> list[str]:
    """Return of each item how popular it is.

    The head are the most popular items that together have a fifth of the events, the tail the least
    popular ones that have a fifth, and those without any.

    Args:
        counts: Events of each item. Shape: (N,).

    Source:
        Abdollahpouri et al., User-centered evaluation of popularity bias, arXiv 2103.06364.
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    groups = np.full(len(counts), MIDDLE, dtype=object)
    groups[order[before >= (1 - TAIL_SHARE) * counts.sum()]] = TAIL
    groups[order[before < HEAD_SHARE * counts.sum()]] = HEAD
    groups[counts == 0] = TAIL
    found: list[str] = groups.tolist()
    return found
