"""Saved evaluations of several data sets, rankers and seeds, read into rows of a table.

Enters: ROOT/DATA SET/RANKER/SEED/, each a saved evaluation whose first ranker is the one under
test. Leaves: for each data set its rows, best first, every number computed from the saved ranks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrec.artifacts import Manifest
from genrec.errors import ArtifactError
from genrec.evaluate.bootstrap import Interval, intervals
from genrec.evaluate.checks.lineage import Lineage, trace
from genrec.evaluate.paired_comparison import check_same_questions, compare_saved
from genrec.evaluate.saved import SavedEvaluation, find_evaluations, load_evaluation

OURS = "genrec"
"""The folder whose lead over all others is tested."""
LEAD = "ndcg@10"
RUNS = ("base", "pretrain", "sft", "merged")
_PATHS = {"data", "base", "out", "index", "trackers"}
"""Settings of a run that say where things lay, and nothing of what they were."""


@dataclass(frozen=True)
class Row:
    """One ranker over its seeds.

    Attributes:
        name: Of its folder, or of the ranker where it stood beside another one.
        seeds: Names of the seeds' folders; empty for a ranker that has none.
        num_users: Whom it was asked about.
        means: Interval of each metric over users, each user's value being the mean over seeds; by
            "seen items filtered" and metric.
        spreads: Standard deviation of the seeds' means, likewise; None for one seed.
        lead: How much better ``OURS`` is in ``LEAD``, filtered; None for itself or without it.
    """

    name: str
    seeds: tuple[str, ...]
    num_users: int
    means: Mapping[tuple[bool, str], Interval]
    spreads: Mapping[tuple[bool, str], float | None]
    lead: Interval | None


@dataclass(frozen=True)
class Origin:
    """Where one evaluation's numbers came from.

    Attributes:
        name: Of its ranker's folder.
        seed: Name of its folder.
        manifest: Of the evaluation.
        index_hash: Of the ID table behind it; None where there is none.
        settings: Of the ranker under test.
        curve: Its looks at validation; empty where nobody looked.
        zero_shot: What asking a chat model cost and favoured; None: no such ranker.
    """

    name: str
    seed: str
    manifest: Manifest
    index_hash: str | None
    settings: Mapping[str, Any]
    curve: Sequence[Mapping[str, float]]
    zero_shot: Mapping[str, Any] | None


@dataclass(frozen=True)
class Results:
    """All there is on one data set.

    Attributes:
        name: Of its folder.
        setting: What was asked; see ``Report.setting``.
        rows: Best first.
        origins: Of every evaluation.
    """

    name: str
    setting: Mapping[str, Any]
    rows: tuple[Row, ...]
    origins: tuple[Origin, ...]

    @property
    def last_events(self) -> int | None:
        """How many events of each history were known; None: all."""
        known: int | None = self.setting.get("last_events")
        return known


def read_results(root: Path) -> list[Results]:
    """Read every data set's folder, in alphabetical order.

    Raises:
        ArtifactError: No data set there, or an evaluation is damaged or was asked otherwise.
    """
    found = [_read_dataset(folder) for folder in folders(root)]
    if not found:
        raise ArtifactError(f"{root} holds no folder of a data set; see benchmarks/results_read.py")
    return found


def _read_dataset(folder: Path) -> Results:
    places = {place.name: place for place in folders(folder)}
    if not places:
        raise ArtifactError(f"{folder} holds no folder of a ranker")
    saved = {
        name: [load_evaluation(each) for each in find_evaluations(place)]
        for name, place in places.items()
    }
    ours = places.get(OURS)
    rows = [
        _row(name, each, each[0].rankers[0], _lead(ours, places[name]) if name != OURS else None)
        for name, each in saved.items()
    ]
    # The cheap ones stand beside every ranker and have no seed.
    beside = OURS if ours else next(iter(saved))
    first = saved[beside][:1]
    for each in (one for group in saved.values() for one in group):
        check_same_questions(first[0], each)
    for name in first[0].rankers[1:]:
        if name not in saved:
            lead = _lead(ours, places[beside], name)
            rows.append(_row(name, first, name, lead, has_seeds=False))
    return Results(
        folder.name,
        first[0].report,
        tuple(sorted(rows, key=lambda row: -row.means[True, LEAD].mean)),
        tuple(_origin(name, each) for name, group in saved.items() for each in group),
    )


def _row(
    name: str,
    group: Sequence[SavedEvaluation],
    ranker: str,
    lead: Interval | None,
    has_seeds: bool = True,
) -> Row:
    means: dict[tuple[bool, str], Interval] = {}
    spreads: dict[tuple[bool, str], float | None] = {}
    for filter_seen in (True, False):
        tables = [each.per_user(ranker, filter_seen) for each in group]
        if any(len(table[LEAD]) != len(tables[0][LEAD]) for table in tables):
            raise ArtifactError(f"the seeds of {group[0].path.parent} are of different users")
        stacked = {metric: np.stack([table[metric] for table in tables]) for metric in tables[0]}
        found = intervals({metric: each.mean(axis=0) for metric, each in stacked.items()})
        for metric, each in stacked.items():
            means[filter_seen, metric] = found[metric]
            several = len(each) > 1
            spreads[filter_seen, metric] = float(each.mean(axis=1).std(ddof=1)) if several else None
    seeds = tuple(each.path.name for each in group) if has_seeds else ()
    return Row(name, seeds, len(group[0].arrays["user_ids"]), means, spreads, lead)


def _lead(ours: Path | None, other: Path, ranker: str | None = None) -> Interval | None:
    if ours is None:
        return None
    first = load_evaluation(find_evaluations(other)[0])
    lines = compare_saved(ours, other, other=ranker or first.rankers[0]).lines
    return next(each.difference for each in lines if each.metric == LEAD and each.filter_seen)


def _origin(name: str, saved: SavedEvaluation) -> Origin:
    lineage = trace(saved.path)
    index = lineage.manifests.get("index")
    recorded = saved.manifest.parents.get("index", {}).get("content_hash")
    recipe = saved.manifest.config.get("recipe", {})
    run = _nearest_run(lineage)
    settings = recipe.get("settings", {})
    if run is not None:
        config = lineage.manifests[run].config
        settings = {key: value for key, value in config.items() if key not in _PATHS}
    curve_file = saved.path / "training.json"
    if run is not None and not curve_file.exists():
        curve_file = lineage.paths[run] / "training.json"
    curve = json.loads(curve_file.read_text())["curve"] if curve_file.exists() else []
    return Origin(
        name, saved.path.name, saved.manifest, index.content_hash if index else recorded,
        settings, curve, saved.report.get("zero_shot"),
    )  # fmt: skip


def _nearest_run(lineage: Lineage) -> str | None:
    """Return the kind of the run that was evaluated: the first that was met going back."""
    return next((kind for kind in lineage.manifests if kind in RUNS), None)


def folders(place: Path) -> list[Path]:
    """Return the folders in a folder, in alphabetical order; none where it is none."""
    if not place.is_dir():
        return []
    return sorted(each for each in place.iterdir() if each.is_dir() and each.name[0] != ".")
