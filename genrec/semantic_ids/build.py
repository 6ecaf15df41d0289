"""Prepared data to a semantic-ID table: vectors, codes, names and a report, as one artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrec.artifacts import write_aside, write_manifest
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError
from genrec.progress import working
from genrec.semantic_ids.behaviour import behaviour_vectors
from genrec.semantic_ids.config import BehaviourConfig, ImageConfig, IndexConfig, TextConfig
from genrec.semantic_ids.images import load_images
from genrec.semantic_ids.matching import count_review_words
from genrec.semantic_ids.names import Namer
from genrec.semantic_ids.phrases import build_phrases
from genrec.semantic_ids.quantize import assign_codes, fit_centroids, fit_codebook_size
from genrec.semantic_ids.report import IndexReport, make_report
from genrec.semantic_ids.table import CONTENT_FILES, KIND, VECTORS_FILE, SemanticIdTable, judge_met
from genrec.semantic_ids.vectors import ItemEncoder

__all__ = [
    "BehaviourConfig",
    "ImageConfig",
    "IndexConfig",
    "TextConfig",
    "build_index",
    "build_table",
]

REPORT_FILE = "report.json"


def build_index(data: Dataset, out: Path, config: IndexConfig) -> IndexReport:
    """Give every item of a catalogue a semantic ID, and every coarse code a name.

    Only training events are read, so that no ID knows what validation or test will ask.

    Args:
        data: Prepared data.
        out: Folder to make.
        config: See ``IndexConfig``.

    Returns:
        What there is to know about the table; also written as ``report.json``.

    Raises:
        ConfigError: The encoder cannot be loaded, or there are fewer IDs than items.
        DataError: No items, or image vectors that do not fit.
    """
    out = Path(out)
    with write_aside(out) as directory:
        table, vectors, popularity = _make_table(data, config)
        with working("reporting"):
            report = make_report(table, data.items, vectors, popularity, config.seed)
        table.write_files(directory)
        np.save(directory / VECTORS_FILE, vectors)
        (directory / REPORT_FILE).write_text(report.to_json() + "\n", encoding="utf-8")
        settings = {**config.model_dump(mode="json"), "learned_from": "train"}
        write_manifest(directory, out, KIND, settings, CONTENT_FILES, {"data": data.path})
    return report


def build_table(data: Dataset, config: IndexConfig) -> SemanticIdTable:
    """Return the table that ``build_index`` would write, without writing it.

    Raises:
        ConfigError: See ``build_index``.
        DataError: See ``build_index``.
    """
    return _make_table(data, config)[0]


def _make_table(
    data: Dataset, config: IndexConfig
) -> tuple[SemanticIdTable, np.ndarray, np.ndarray]:
    """Return the table, the items' vectors (N, D) and their numbers of training events (N,)."""
    items = data.items
    item_ids = [item.item_id for item in items]
    codebook_size = fit_codebook_size(config.codebook_size, len(items))
    _check_size(len(items), codebook_size, config)
    images = load_images(config.image.path, item_ids) if config.image else None
    with working("weighing items met together"):
        interactions = data.interactions("train")
        behaviour = behaviour_vectors(interactions, config.behaviour, config.seed)
        popularity = np.bincount(interactions.item_index, minlength=len(items))
    with working("encoding items"):
        encoder, vectors, text_vectors = ItemEncoder.fit(items, behaviour, images, config)
    centroids = fit_centroids(
        vectors, codebook_size, config.num_levels, config.seed, config.max_training_items
    )
    with working("giving out IDs"):
        codes = assign_codes(vectors, centroids)
    with working("naming codes"):
        phrases = build_phrases(items, data.histories("train"))
        names = Namer(items, phrases, popularity).name_all(codes)
        review_words = count_review_words(data.histories("train"))
    table = SemanticIdTable(
        item_ids,
        codes,
        codebook_size,
        centroids,
        names,
        encoder,
        met=judge_met(interactions.item_index, interactions.timestamp, len(items)),
        text_vectors=text_vectors,
        review_words=review_words,
    )
    return table, vectors, popularity


def _check_size(num_items: int, codebook_size: int, config: IndexConfig) -> None:
    if num_items == 0:
        raise DataError("the catalogue is empty; an index needs items")
    capacity = codebook_size**config.num_levels
    if num_items > capacity:
        raise ConfigError(
            f"{num_items} items do not fit into {config.num_levels} levels of {codebook_size} "
            f"codes ({capacity} IDs); raise codebook_size or num_levels"
        )
