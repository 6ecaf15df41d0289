"""An evaluation on disk: an artifact that later comparisons and checks can rest on.

Holds the report, the rank of every target for every ranker in both filter modes, and a manifest
that names the run and the data. From the ranks every accuracy follows, so a reader need not
believe the report's means.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genrec.artifacts import (
    MANIFEST,
    Manifest,
    hash_files,
    read_manifest,
    write_aside,
    write_manifest,
)
from genrec.errors import ArtifactError, ConfigError
from genrec.evaluate.report import Report, ranks_name
from genrec.metrics import accuracy, cutoffs_within, mark_hits

KIND = "evaluation"
REPORT_FILE = "report.json"
ARRAYS_FILE = "arrays.npz"
TRAINING_FILE = "training.json"
CONTENT_FILES = [REPORT_FILE, ARRAYS_FILE]


@dataclass(frozen=True)
class SavedEvaluation:
    """An evaluation read back; make one with ``load_evaluation``.

    Attributes:
        path: Where it lies.
        manifest: What it was made from.
        report: What ``Report.to_json`` returned.
        arrays: See ``Report.arrays``.
    """

    path: Path
    manifest: Manifest
    report: Mapping[str, Any] = field(repr=False)
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def rankers(self) -> list[str]:
        """Names of the rankers, the one under test first."""
        return list(self.report["rankers"])

    def per_user(self, ranker: str, filter_seen: bool) -> dict[str, np.ndarray]:
        """Compute a ranker's metrics from the saved ranks; see ``metrics.accuracy``.

        Raises:
            ConfigError: No such ranker.
        """
        name = ranks_name(ranker, filter_seen)
        if name not in self.arrays:
            known = ", ".join(self.rankers)
            raise ConfigError(f"{self.path} has no ranker '{ranker}'; it has {known}")
        k, num_targets = int(self.report["k"]), self.arrays["num_targets"]
        hits = mark_hits(self.arrays[name], num_targets, k)
        return accuracy(hits, num_targets, cutoffs_within(k))

    def is_intact(self) -> bool:
        """Tell whether the files are those that the manifest was written for."""
        files = [self.path / name for name in CONTENT_FILES]
        return hash_files(files) == self.manifest.content_hash


def save_evaluation(
    report: Report,
    out: Path,
    parents: Mapping[str, Path],
    recipe: Mapping[str, Any] | None = None,
    curve: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write a report and its arrays as an artifact.

    Args:
        report: What to save.
        out: Folder to make; an artifact there is replaced.
        parents: The artifacts it rests on, by kind: "data", and the "run" or "index" where there
            is one.
        recipe: How the ranker under test was fitted, as plain JSON, where no run says it.
        curve: Its looks at validation while it was trained.
    """
    out = Path(out)
    with write_aside(out) as directory:
        text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
        (directory / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
        arrays: dict[str, Any] = report.arrays()
        np.savez_compressed(directory / ARRAYS_FILE, **arrays)
        rankers = list(dict.fromkeys(each.ranker for each in report.evaluations))
        config = {**report.setting, "filter_seen": [True, False], "rankers": rankers}
        if recipe is not None:
            config["recipe"] = dict(recipe)
        if curve:
            best = max((point["ndcg@10"] for point in curve if "ndcg@10" in point), default=None)
            text = json.dumps({"best_ndcg@10": best, "curve": list(curve)}, indent=2)
            (directory / TRAINING_FILE).write_text(text + "\n", encoding="utf-8")
        write_manifest(directory, out, KIND, config, CONTENT_FILES, parents)


def load_evaluation(path: Path | str) -> SavedEvaluation:
    """Read an evaluation and check that nobody changed it.

    Raises:
        ArtifactError: Nothing there, damaged, changed since, or not an evaluation.
    """
    saved = read_evaluation(path)
    if not saved.is_intact():
        raise ArtifactError(
            f"{path} was changed since it was written: its files are not those of its manifest; "
            "run `genrec evaluate` again"
        )
    return saved


def find_evaluations(path: Path | str) -> list[Path]:
    """Return an evaluation's path, or those of all evaluations directly in a folder, in order.

    Raises:
        ArtifactError: Nothing there, or no evaluation.
    """
    path = Path(path)
    if (path / MANIFEST).exists() or not path.is_dir():
        read_manifest(path, KIND)
        return [path]
    found = [each for each in sorted(path.iterdir()) if (each / MANIFEST).exists()]
    found = [each for each in found if read_manifest(each).kind == KIND]
    if not found:
        raise ArtifactError(f"{path} holds no evaluation; make one with `genrec evaluate --out`")
    return found


def read_evaluation(path: Path | str) -> SavedEvaluation:
    """Read an evaluation as it lies there, for whoever wants to judge it.

    Raises:
        ArtifactError: Nothing there, unreadable, or not an evaluation.
    """
    path = Path(path)
    manifest = read_manifest(path, KIND)
    try:
        report = json.loads((path / REPORT_FILE).read_text(encoding="utf-8"))
        with np.load(path / ARRAYS_FILE, allow_pickle=False) as stored:
            arrays = dict(stored)
        _check_shapes(arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `genrec evaluate` again") from None
    return SavedEvaluation(path, manifest, report, arrays)


def _check_shapes(arrays: Mapping[str, np.ndarray]) -> None:
    num_targets = arrays["num_targets"]
    if num_targets.shape != arrays["user_ids"].shape:
        raise ValueError(f"{len(arrays['user_ids'])} users, {len(num_targets)} counts of targets")
    for name, array in arrays.items():
        if name not in ("user_ids", "num_targets") and array.shape != (num_targets.sum(),):
            raise ValueError(f"{num_targets.sum()} targets, {name} of shape {array.shape}")
