"""Rankers side by side: as JSON for machines, as a table for people, as arrays for later tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from genrec.data import Dataset
from genrec.evaluate.bootstrap import Interval, paired_difference
from genrec.evaluate.harness import AskAt, Evaluation, evaluate
from genrec.schema import Ranker, Split

MODES = {True: "seen filtered", False: "seen allowed"}


@dataclass(frozen=True)
class Report:
    """Evaluations of several rankers on the same questions.

    Attributes:
        setting: What was asked: data hash, protocol, split, ask_at, k, users, items, seed.
        evaluations: For each ranker seen items filtered, then unfiltered; the first ranker is
            the one under test.
    """

    setting: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all but the per-user arrays as plain JSON.

        ``differences`` holds, for each other ranker, the first ranker's lead with a paired
        bootstrap interval.
        """
        rankers: dict[str, dict[str, Any]] = {}
        differences: dict[str, dict[str, Any]] = {}
        for result in self.evaluations:
            mode = _mode_name(result)
            rankers.setdefault(result.ranker, {})[mode] = {
                **{name: asdict(interval) for name, interval in result.intervals.items()},
                **result.coverage,
                "invalid_rate": result.invalid_rate,
                "duplicate_rate": result.duplicate_rate,
                "users_per_s": result.users_per_s,
            }
            first = self._first(result.filter_seen)
            if result is not first:
                differences.setdefault(result.ranker, {})[mode] = {
                    name: asdict(paired_difference(array, result.per_user[name], self._seed))
                    for name, array in first.per_user.items()
                }
        return {**self.setting, "rankers": rankers, "differences": differences}

    def table(self, metrics: Sequence[str] | None = None) -> Table:
        """Lay out metrics by ranker, with 95% intervals, for both filter modes.

        Args:
            metrics: Accuracies to show, such as "ndcg@10"; None: all.
        """
        setting = self.setting
        table = Table(
            title=f"{setting['split']} split · {setting['num_users']:,} users · "
            f"{setting['num_items']:,} items ranked · {setting['protocol']} · "
            f"asked at the {setting['ask_at']} event",
            caption="mean and 95% bootstrap interval over users",
            title_justify="left",
            caption_justify="left",
        )
        table.add_column("metric")
        for ranker in dict.fromkeys(result.ranker for result in self.evaluations):
            table.add_column(ranker, justify="right")
        for filter_seen, title in MODES.items():
            results = [each for each in self.evaluations if each.filter_seen == filter_seen]
            table.add_section()
            table.add_row(f"[bold]{title}[/bold]")
            for name in metrics or results[0].intervals:
                table.add_row(name, *(_show(each.intervals[name]) for each in results))
            widest = list(results[0].coverage)[-1]
            table.add_row(widest, *(f"{each.coverage[widest]:.1%}" for each in results))
            table.add_row("invalid", *(f"{each.invalid_rate:.2%}" for each in results))
            table.add_row("duplicate", *(f"{each.duplicate_rate:.2%}" for each in results))
            table.add_row("users/s", *(f"{each.users_per_s:,.0f}" for each in results))
        return table

    def save_arrays(self, path: Path) -> None:
        """Save every user's metrics (.npz): "user_ids", and "ranker/mode/metric" for each array."""
        arrays: dict[str, Any] = {
            f"{result.ranker}/{_mode_name(result)}/{name}": array
            for result in self.evaluations
            for name, array in result.per_user.items()
        }
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(file, user_ids=np.array(self.evaluations[0].user_ids), **arrays)

    @property
    def _seed(self) -> int:
        return int(self.setting["seed"])

    def _first(self, filter_seen: bool) -> Evaluation:
        return next(each for each in self.evaluations if each.filter_seen == filter_seen)


def compare(
    rankers: Sequence[Ranker],
    data: Dataset,
    split: Split,
    k: int = 20,
    ask_at: AskAt = "target",
    max_users: int | None = None,
    seed: int = 0,
) -> Report:
    """Evaluate rankers on the same questions; see ``evaluate`` for the arguments.

    Args:
        rankers: The one under test first; names must differ.
        data: See ``evaluate``.
        split: See ``evaluate``.
        k: See ``evaluate``.
        ask_at: See ``evaluate``.
        max_users: See ``evaluate``.
        seed: See ``evaluate``.
    """
    evaluations = tuple(
        result
        for ranker in rankers
        for result in evaluate(ranker, data, split, k, ask_at, max_users, seed=seed)
    )
    setting = {
        "data_hash": data.manifest.content_hash,
        "protocol": data.protocol,
        "split": split,
        "ask_at": ask_at,
        "k": k,
        "num_users": len(evaluations[0].user_ids),
        "num_items": len(data.items),
        "seed": seed,
    }
    return Report(setting, evaluations)


def _mode_name(result: Evaluation) -> str:
    return "filtered" if result.filter_seen else "unfiltered"


def _show(interval: Interval) -> str:
    low, high = (f"{end:.3f}".removeprefix("0") for end in (interval.low, interval.high))
    return f"{interval.mean:.4f} [dim]{low}–{high}[/dim]"
