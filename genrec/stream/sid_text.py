"""Semantic IDs as text: a token for each code."""

from __future__ import annotations

from functools import lru_cache

from genrec.schema import SemanticId
from genrec.stream.templates import Structure

LEVEL_LETTERS = "abcdefgh"


def sid_token(level: int, code: int) -> str:
    """Return the token text of a code at a level.

    Examples:
        >>> sid_token(0, 17)
        '<a_17>'
    """
    return f"<{LEVEL_LETTERS[level]}_{code}>"


@lru_cache(maxsize=100_000)
def sid_text(codes: SemanticId) -> Structure:
    """Return the text of a semantic ID, one token per level."""
    return Structure("".join(sid_token(level, code) for level, code in enumerate(codes)))
