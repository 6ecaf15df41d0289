"""The model card: what a model is, learned from, can do and cannot, as the Hub shows it.

Enters: a loaded run and, where there is one, a saved evaluation of it. Leaves: the text of a
README.md with Hugging Face's metadata block. Every number in it is read from an artifact.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import EvalResult, ModelCardData

from genrec.artifacts import read_manifest
from genrec.data import Dataset
from genrec.data.catalogue import PREPARED_FROM, read_report
from genrec.errors import ArtifactError
from genrec.evaluate.bootstrap import Interval
from genrec.evaluate.report import mode_name
from genrec.evaluate.saved import TRAINING_FILE, SavedEvaluation, load_evaluation
from genrec.interests.timeline.forecast import Forecaster
from genrec.model.base import SCRATCH
from genrec.model.load import LoadedRun, base_of
from genrec.pretrained.folder import without_paths
from genrec.semantic_ids.table import SemanticIdTable

TEMPLATE = Path(__file__).with_name("card.jinja")
TAGS = ["recommendation", "generative-recommendation", "semantic-ids"]
OURS = "genrec"
"""The ranker of an evaluation that is the model (``Recommender.name``)."""
FILTER_SEEN = True
"""Which of an evaluation's two modes the card shows."""


@dataclass(frozen=True)
class _Measured:
    """What an evaluation says of a model, by metric."""

    intervals: dict[str, Interval]
    split: str
    asked_at: str
    num_users: int


def write_card(run: LoadedRun, table: SemanticIdTable, evaluation: Path | str | None) -> str:
    """Return the card's text.

    Args:
        run: What the card is of.
        table: The semantic IDs in use.
        evaluation: Folder of ``genrec evaluate --out``; None: none was made.

    Raises:
        ArtifactError: The evaluation is damaged, of another run or other data, or of the run with
            settings that are not its own.
    """
    manifest = read_manifest(run.path)
    trained = Dataset.load(run.histories)
    measured = None
    if evaluation is not None:
        measured = _measure(load_evaluation(evaluation), manifest.content_hash, _hash_of(trained))
    name = f"genrec-{manifest.content_hash}"
    parts = ["SASRec head"] if run.sasrec_head is not None else []
    parts += ["forecast and calibration"] if Forecaster.of_run(run.path) is not None else []
    best, validation_users = _validation(run.path, manifest.config)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        metadata=_metadata(run, name, measured, trained).to_yaml().strip(),
        name=name,
        location="path/to/this/folder",
        num_items=len(table),
        example_item=table.item_ids[0],
        parts="".join(f", {part}" for part in parts),
        data=_data_rows(trained),
        training=_training_rows(run, manifest.kind, manifest.versions),
        settings=json.dumps(without_paths(manifest.config), indent=2, ensure_ascii=False),
        results=list(measured.intervals.items()) if measured else [],
        split=measured.split if measured else "",
        asked_at=measured.asked_at if measured else "",
        num_users=measured.num_users if measured else 0,
        filtered=mode_name(FILTER_SEEN),
        best=best,
        validation_users=validation_users,
    )


def _measure(saved: SavedEvaluation, own: str, own_data: str) -> _Measured:
    """Read what an evaluation says of a run, given the hashes of the run and of its data."""
    asked = saved.manifest.parents.get("run", {}).get("content_hash")
    if asked != own or OURS not in saved.rankers:
        raise ArtifactError(
            f"{saved.path} is an evaluation of run {asked}, this model is {own}; give its own"
        )
    report = saved.report
    if report["data_hash"] != own_data:
        raise ArtifactError(
            f"{saved.path} is an evaluation on the data {report['data_hash']}, this model learned "
            f"from {own_data}; give one on these"
        )
    changed = dict(saved.manifest.config.get("recipe") or {})
    changed |= {"last_events": report["last_events"]} if report["last_events"] else {}
    if changed:
        settings = ", ".join(f"{name}={value}" for name, value in changed.items())
        raise ArtifactError(
            f"{saved.path} is an evaluation with {settings}; give one of the model as it is"
        )
    figures = report["rankers"][OURS][mode_name(FILTER_SEEN)]
    intervals = {
        name: Interval(**value) for name, value in figures.items() if isinstance(value, dict)
    }
    num_users = len(saved.arrays["user_ids"])
    return _Measured(intervals, str(report["split"]), str(report["ask_at"]), num_users)


def _metadata(
    run: LoadedRun, name: str, measured: _Measured | None, data: Dataset
) -> ModelCardData:
    results = []
    if measured is not None:
        results = [
            EvalResult(
                task_type="recommendation",
                dataset_type="genrec",
                dataset_name=f"prepared data {_hash_of(data)}",
                dataset_split=measured.split,
                metric_type=metric,
                metric_value=round(interval.mean, 6),
            )
            for metric, interval in measured.intervals.items()
        ]
    source = run.base_config.source
    return ModelCardData(
        library_name="genrec",
        tags=[*TAGS, "peft" if base_of(run.path) != run.path else "transformers"],
        base_model=source if source != SCRATCH and not Path(source).exists() else None,
        model_name=name,
        eval_results=results or None,
    )


def _data_rows(data: Dataset) -> list[tuple[str, str]]:
    report = read_report(data)
    counts = [
        (name, f"{report[name]:,}") for name in ("events", "users", "items") if name in report
    ]
    dates = [
        (label, datetime.fromtimestamp(report[key], UTC).date().isoformat())
        for label, key in (("oldest event", "first_timestamp"), ("newest event", "last_timestamp"))
        if key in report
    ]
    splits = report.get("splits", {})
    held_out = ", ".join(f"{name} {count:,}" for name, count in splits.items())
    return [
        ("prepared data (hash)", _hash_of(data)),
        *counts,
        *dates,
        ("events by split", held_out or "unknown"),
        ("how it was split", str(data.protocol)),
    ]


def _hash_of(data: Dataset) -> str:
    config = data.manifest.config
    return str(config.get(PREPARED_FROM, data.manifest.content_hash))


def _training_rows(run: LoadedRun, kind: str, versions: dict[str, str]) -> list[tuple[str, str]]:
    manifest = read_manifest(run.path)
    parents = [
        (f"made from {name} (hash)", recorded["content_hash"])
        for name, recorded in manifest.parents.items()
    ]
    return [
        ("kind", kind),
        ("weights (hash)", manifest.content_hash),
        *parents,
        ("causal LM", run.base_config.source),
        ("context", f"{run.base_config.context_tokens} tokens"),
        ("genrec commit", manifest.commit or "unknown"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]


def _validation(run: Path, settings: dict[str, Any]) -> tuple[float | None, int]:
    """Return the best NDCG@10 that training saw, and of how many users at most."""
    try:
        curve = json.loads((run / TRAINING_FILE).read_text(encoding="utf-8"))
        return float(curve["best_ndcg@10"]), int(settings["validation"]["users"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0
