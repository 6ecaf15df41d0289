"""The JSON bodies that our routes in vLLM's server take: they speak in tokens and rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat

Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Ask(BaseModel):
    """What every question holds.

    Attributes:
        base: Hash of the base the client's run was trained on.
        table: ``table_id`` of the client's table; rows mean nothing under another.
        adapter: Name of a loaded adapter; None: the base alone.
        prompts: Tokens of each prompt.
    """

    base: str
    table: str
    adapter: str | None = None
    prompts: list[Tokens]


class PrefixStrength(BaseModel):
    """A semantic-ID prefix and what is added to its log-odds, in nats."""

    prefix: list[int]
    strength: FiniteFloat


class ScoredRows(BaseModel):
    """Some rows, and what is said of each."""

    rows: list[int]
    scores: list[FiniteFloat]


class SteeredAsk(Ask):
    """A question about what may be written after prompts.

    Attributes:
        exclude: Of each prompt the rows never to return.
        candidates: Of each prompt the index in ``sets`` of those to stay within; None: all.
        sets: Rows.
        prefix_bias: Of each prompt the prefixes to boost or dampen; absent: none.
        matches: Of each prompt the rows that match what is looked for; absent: nothing does.
        popularity: Of each prompt the rows that are popular of late; absent: none are.
    """

    exclude: list[list[int]]
    candidates: list[int | None]
    sets: list[list[int]] = []
    prefix_bias: list[list[PrefixStrength]] | None = None
    matches: list[ScoredRows] | None = None
    popularity: list[ScoredRows] | None = None


class ItemsAsk(SteeredAsk):
    """A question for items.

    Attributes:
        k: Items of each prompt.
        num_beams: Beams kept; at least ``k`` is used.
    """

    k: int = Field(ge=1)
    num_beams: int = Field(default=50, ge=1)


class ScoresAsk(SteeredAsk):
    """A question for scores.

    Attributes:
        rows: Of each prompt the rows to score.
    """

    rows: list[list[int]]


class CodesAsk(Ask):
    """A question for the likeliest codes.

    Attributes:
        prefix: Codes forced after each prompt.
    """

    prefix: list[int] = []


class TextAsk(Ask):
    """A question for text.

    Attributes:
        nodes: Of the grammars, as ``genrec.engines.grammar.to_json`` writes them.
        roots: Of each prompt the place of its grammar in ``nodes``.
        max_tokens: Longest text.
    """

    nodes: list[list[Any]]
    roots: list[int]
    max_tokens: int = Field(ge=1)


class Table(BaseModel):
    """A table to serve from now on.

    Attributes:
        base: Hash of the base it belongs to.
        item_ids: Of each row.
        codes: Of each row.
        seen_in_training: Whether training met each.
        text_vectors: Of the items that the base's own table lacks, or has another text for.
    """

    base: str
    item_ids: list[str]
    codes: list[list[int]]
    seen_in_training: list[bool]
    text_vectors: dict[str, list[float]] = {}


class Adapter(BaseModel):
    """An adapter to load; the path is one of the server's machine."""

    name: str
    path: str
