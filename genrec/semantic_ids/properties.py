"""What a table itself says of its items, as attributes that filters and rules can ask for."""

from __future__ import annotations

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
    if table.seen_in_training is None:
        return [False] * len(table)
    return [not seen for seen in table.seen_in_training.tolist()]
