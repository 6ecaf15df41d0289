"""Fit one trained baseline and evaluate it beside the cheap ones, as a run is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genrec.artifacts import check_output, check_parent
from genrec.baselines import fit_baselines
from genrec.baselines.trained import TRAINED
from genrec.data import Dataset
from genrec.devices import choose_device
from genrec.errors import ConfigError
from genrec.evaluate.harness import check_questions
from genrec.evaluate.report import Report, compare
from genrec.evaluate.saved import save_evaluation
from genrec.schema import AskAt, Ranker, Split
from genrec.semantic_ids.table import SemanticIdTable


def fit_and_evaluate(
    name: str,
    data: Path,
    index: Path | None = None,
    split: Split = "test",
    seed: int = 0,
    ask_at: AskAt = "target",
    max_users: int | None = None,
    out: Path | None = None,
    device: str | None = None,
    overrides: Sequence[str] = (),
    last_events: int | None = None,
) -> Report:
    """Fit a baseline on the train split and evaluate it; whatever can be wrong is said before.

    Args:
        name: One of ``baselines.trained.TRAINED``.
        data: Prepared data.
        index: ID table built on it; None where the baseline needs none.
        split: See ``evaluate``.
        seed: Of the training. The sample of users does not depend on it, so that several seeds
            can be compared.
        ask_at: See ``evaluate``.
        max_users: See ``evaluate``.
        out: Where to save the evaluation; None: nowhere.
        device: Such as "cpu" or "cuda"; None takes a GPU where there is one.
        overrides: Settings of the baseline, as "name=value".
        last_events: See ``evaluate``.

    Raises:
        ConfigError: No such baseline, setting, split or device, or it needs an index.
        ArtifactError: Data or index are not there, or the index is of other data.
        DataError: There is nothing to learn from or to ask.
    """
    if name not in TRAINED:
        raise ConfigError(f"no baseline '{name}'; choose {', '.join(TRAINED)}")
    dataset = Dataset.load(data)
    check_questions(dataset, split, ask_at=ask_at, max_users=max_users, last_events=last_events)
    table, parents = None, {"data": data}
    if index is not None:
        table = SemanticIdTable.load(index)
        check_parent(index, "data", data)
        parents["index"] = index
    if out is not None:
        check_output(out)
    device = choose_device(device)
    ranker = TRAINED[name](dataset, table, seed, device, overrides)
    rankers: list[Ranker] = [ranker, *fit_baselines(dataset)]
    report = compare(
        rankers,
        dataset,
        split,
        ask_at=ask_at,
        max_users=max_users,
        last_events=last_events,
        num_beams=getattr(ranker, "num_beams", None),
    )
    if out is not None:
        recipe = {"seed": seed, "device": device, "settings": getattr(ranker, "settings", {})}
        save_evaluation(report, out, parents, recipe, getattr(ranker, "curve", ()))
    return report
