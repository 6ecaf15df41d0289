"""Checks for held-out events in what the rankers learned from.

A report's word is not taken where the artifacts behind it can be reached: counts and behaviour
vectors are made again from the data and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genrec.artifacts import read_manifest
from genrec.data import Dataset
from genrec.errors import ArtifactError, GenrecError
from genrec.evaluate.checks.report_table import Finding, ReportTable
from genrec.evaluate.provenance import counts_upto
from genrec.schema import SPLITS, Split
from genrec.semantic_ids.behaviour import behaviour_vectors
from genrec.semantic_ids.config import IndexConfig
from genrec.semantic_ids.linear import has_vector, normalize_rows
from genrec.semantic_ids.table import SemanticIdTable, load_vectors
from genrec.semantic_ids.vectors import BEHAVIOUR_PART

_SAMPLED_ITEMS = 500
_SAME = 1e-3
"""Largest mean difference of cosines between vectors that are the same but for rounding."""


def check_lineage(table: ReportTable) -> Iterator[Finding]:
    """Everything the evaluation rests on is still there, so that it can be checked."""
    for gone in table.lineage.missing:
        yield Finding(
            "lineage", str(table.path), gone,
            "keep runs beside their evaluation, or evaluate again", "warn",
        )  # fmt: skip


def check_index_data(table: ReportTable) -> Iterator[Finding]:
    """The IDs were made from the very data that is asked about."""
    if table.report is None:
        return
    expected = table.report.get("data_hash")
    for path, found in table.lineage.data_hashes.items():
        if found != expected:
            yield Finding(
                "index-leak", path,
                f"made from data {found}, but the report is about data {expected}, whose held-out "
                "events may be among them",
                "build the index from the data that is evaluated",
            )  # fmt: skip


def check_index_behaviour(table: ReportTable) -> Iterator[Finding]:
    """No held-out event is in the behaviour vectors that the IDs were made from."""
    index, data = table.lineage.paths.get("index"), table.lineage.paths.get("data")
    if index is None or data is None or table.report is None:
        return
    where, split = str(index), table.report["split"]
    recorded = table.lineage.manifests["index"].config.get("learned_from")
    try:
        found = behaviour_upto(index, Dataset.load(data))
    except GenrecError as error:
        yield Finding(
            "index-leak", where, f"cannot be checked: {error}", "build the index again", "warn"
        )
        return
    if found is None and recorded is None:
        yield Finding(
            "index-leak", where,
            "its vectors can be made again from no split of the data, so nobody can tell which "
            "events are in them", "build the index again with this version", "warn",
        )  # fmt: skip
    for name, upto in (("holds", found), ("says that it holds", recorded)):
        if upto is not None and _looks_ahead(upto, split):
            yield Finding(
                "index-leak", where,
                f"its behaviour vectors {name} events up to '{upto}'; the report is on '{split}'",
                "build the index from the train split",
            )  # fmt: skip


def check_shared_ids(table: ReportTable) -> Iterator[Finding]:
    """No two items share a semantic ID, and every item of the catalogue has one."""
    index = table.lineage.paths.get("index")
    if index is None or table.report is None:
        return
    try:
        codes = SemanticIdTable.load(index).codes
    except ArtifactError as error:
        yield Finding("shared-ids", str(index), str(error), "build the index again")
        return
    shared = len(codes) - len(np.unique(codes, axis=0))
    if shared:
        yield Finding(
            "shared-ids", str(index), f"{shared:,} of {len(codes):,} items share an ID",
            "give every item an ID of its own: a hit on a shared one is no hit on an item",
        )  # fmt: skip
    if len(codes) < table.report["num_items"]:
        yield Finding(
            "whole-catalogue", str(index),
            f"{len(codes):,} of {table.report['num_items']:,} items have an ID and can be ranked",
            "build the index from the whole catalogue",
        )  # fmt: skip


def check_learned_from(table: ReportTable) -> Iterator[Finding]:
    """No ranker counted, sampled or factorized held-out events, as far as each says.

    The ranker under test may say nothing: its run is traced to its index and data.
    """
    if table.report is None:
        return
    split, provenance = table.report["split"], table.report.get("provenance", {})
    for ranker in list(table.report["rankers"])[1:]:
        if not provenance.get(ranker):
            yield Finding(
                "learned-from", ranker, "it does not say which events it learned from",
                "give the ranker an attribute 'provenance'; see genrec/evaluate/provenance.py",
                "warn",
            )  # fmt: skip
    for ranker, made in provenance.items():
        for name, source in made.items():
            if _looks_ahead(source.get("upto"), split):
                yield Finding(
                    "negatives-leak" if name == "negatives" else "counts-leak",
                    f"{ranker} · {name}",
                    f"made from events up to '{source.get('upto')}'; the report is on '{split}'",
                    "fit it on the train split",
                )


def check_counts(table: ReportTable) -> Iterator[Finding]:
    """The counts that baselines rank by are those of the split they name, made again from data."""
    data = table.lineage.paths.get("data")
    if data is None or table.report is None:
        return
    split, known = table.report["split"], counts_upto(Dataset.load(data))
    for ranker, made in table.report.get("provenance", {}).items():
        if "item_counts" not in made:
            continue
        found = known.get(made["item_counts"].get("hash"))
        if found is None or _looks_ahead(found, split):
            told = f"those of all events up to '{found}'" if found else "those of no split"
            yield Finding(
                "counts-leak", f"{ranker} · item_counts",
                f"the counts it ranks by are {told}; the report is on '{split}'",
                "fit it on the train split",
            )  # fmt: skip


def behaviour_upto(index: Path, data: Dataset) -> Split | None:
    """Return the split up to which events are in an index's vectors, by making them again.

    Cosines between items are compared, for these do not depend on signs and turns of the vectors.

    Returns:
        None where no split gives these vectors, or the index knows no behaviour.

    Raises:
        GenrecError: The index cannot be read.
    """
    table, vectors = SemanticIdTable.load(index), load_vectors(index)
    settings = read_manifest(index).config
    config = IndexConfig.model_validate(
        {name: settings[name] for name in IndexConfig.model_fields if name in settings}
    )
    widths = table.encoder.fusion.widths if table.encoder else {}
    if BEHAVIOUR_PART not in widths or table.item_ids != list(data.item_index):
        return None
    earlier = list(widths)[: list(widths).index(BEHAVIOUR_PART)]
    start = sum(widths[name] for name in earlier)
    saved = normalize_rows(vectors[:, start : start + widths[BEHAVIOUR_PART]])
    for split in SPLITS:
        made = behaviour_vectors(data.interactions(split), config.behaviour, config.seed)
        rows = np.flatnonzero(has_vector(made))
        rows = rows[:: max(1, len(rows) // _SAMPLED_ITEMS)]
        cosines = made[rows] @ made[rows].T - saved[rows] @ saved[rows].T
        if len(rows) and np.abs(cosines).mean() < _SAME:
            return split
    return None


def _looks_ahead(upto: object, split: Split) -> bool:
    """Tell whether events up to a split include the targets of another; a riddle counts as yes."""
    return upto not in SPLITS or SPLITS.index(upto) >= SPLITS.index(split)
