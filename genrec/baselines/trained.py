"""The baselines that need more than counts, by name; each is imported when it is asked for.

A new one joins by a function and a line in ``TRAINED``. Its ranker may state, beside what
``schema.Ranker`` and ``provenance`` ask: ``settings`` (its configuration as plain JSON), ``curve``
(looks at validation: epoch, loss, "ndcg@10") and ``num_beams``; all are saved with its evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genrec.config import load_config
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.schema import Ranker
from genrec.semantic_ids.table import SemanticIdTable

Fit = Callable[[Dataset, SemanticIdTable | None, int, str, Sequence[str]], Ranker]
"""From data, ID table, seed, device ("cpu", "cuda") and overrides ("name=value") to a ranker."""


def _text_similarity(
    data: Dataset, table: SemanticIdTable | None, seed: int, device: str, overrides: Sequence[str]
) -> Ranker:
    from genrec.baselines.text_similarity import TextSimilarity, TextSimilarityConfig

    config = load_config(TextSimilarityConfig, None, overrides)
    return TextSimilarity.fit(data, _needed(table, "text-similarity"), config)


def _tiger(
    data: Dataset, table: SemanticIdTable | None, seed: int, device: str, overrides: Sequence[str]
) -> Ranker:
    from genrec.baselines.tiger import Tiger
    from genrec.baselines.tiger_config import TigerConfig

    config = load_config(TigerConfig, None, overrides)
    return Tiger.fit(data, _needed(table, "tiger"), seed, device, config)


def _sasrec(
    data: Dataset, table: SemanticIdTable | None, seed: int, device: str, overrides: Sequence[str]
) -> Ranker:
    from genrec.baselines.sasrec import SasRec, SasRecConfig

    return SasRec.fit(data, seed, device, load_config(SasRecConfig, None, overrides))


TRAINED: dict[str, Fit] = {
    "text-similarity": _text_similarity,
    "tiger": _tiger,
    "sasrec": _sasrec,
}


def _needed(table: SemanticIdTable | None, name: str) -> SemanticIdTable:
    if table is None:
        raise ConfigError(f"baseline '{name}' needs an ID table; give one with --index")
    return table
