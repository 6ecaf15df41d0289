"""Rankers side by side: as JSON for machines, as a table for people, as arrays for later tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from genrec import display
from genrec.data import Dataset
from genrec.evaluate.bootstrap import Interval, paired_difference
from genrec.evaluate.harness import Evaluation, evaluate
from genrec.evaluate.provenance import provenance_of, tied_share
from genrec.evaluate.slices import by_search, split_by_search
from genrec.schema import AskAt, Ranker, Split

MODES = {True: "seen filtered", False: "seen allowed"}


@dataclass(frozen=True)
class Report(display.HtmlRepr):
    """Evaluations of several rankers on the same questions.

    Attributes:
        setting: What was asked and how: see ``compare``.
        provenance: What each ranker learned from, by ranker; see ``genrec.evaluate.provenance``.
        evaluations: For each ranker seen items filtered, then unfiltered; the first ranker is
            the one under test.
    """

    setting: Mapping[str, Any]
    provenance: Mapping[str, Mapping[str, Any]]
    evaluations: tuple[Evaluation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all but the per-user arrays as plain JSON.

        ``differences`` holds, for each other ranker, the first ranker's lead with a paired
        bootstrap interval; ``by_search``, where some users had searched, the means after a search
        and without one.
        """
        rankers: dict[str, dict[str, Any]] = {}
        searched: dict[str, dict[str, Any]] = {}
        differences: dict[str, dict[str, Any]] = {}
        for result in self.evaluations:
            mode = mode_name(result.filter_seen)
            rankers.setdefault(result.ranker, {})[mode] = {
                **{name: asdict(interval) for name, interval in result.intervals.items()},
                **result.coverage,
                "invalid_rate": result.invalid_rate,
                "duplicate_rate": result.duplicate_rate,
                "users_per_s": result.users_per_s,
            }
            if parts := by_search(result):
                searched.setdefault(result.ranker, {})[mode] = parts
            first = self._first(result.filter_seen)
            if result is not first:
                differences.setdefault(result.ranker, {})[mode] = {
                    name: asdict(paired_difference(array, result.per_user[name], self._seed))
                    for name, array in first.per_user.items()
                }
        return {
            **self.setting,
            "provenance": {name: dict(made) for name, made in self.provenance.items()},
            "rankers": rankers,
            "differences": differences,
            **({"by_search": searched} if searched else {}),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what every accuracy can be computed from again.

        Returns:
            "user_ids" and "num_targets", shape (users,); "targets", positions in the catalogue,
            and for each ranker "ranker/mode/ranks", 0 for a target outside the first k places,
            shape (targets,).
        """
        first = self.evaluations[0]
        return {
            "user_ids": np.array(first.user_ids),
            "num_targets": first.num_targets,
            "targets": first.targets,
            **{
                ranks_name(result.ranker, result.filter_seen): result.ranks
                for result in self.evaluations
            },
        }

    def tables(self, metrics: Sequence[str] | None = None) -> Group:
        """Lay out metrics by ranker, with 95% intervals: a table for each filter mode.

        Beside other rankers, the last metric is followed by the first ranker's lead over each in
        it, paired by user.

        Args:
            metrics: Accuracies to show, such as "ndcg@10"; None: all.
        """
        setting = self.setting
        title = (
            f"{setting['split']} split · {setting['num_users']:,} users · "
            f"{setting['num_items']:,} items ranked · {setting['protocol']} · "
            f"asked at the {setting['ask_at']} event"
        )
        if setting["last_events"] is not None:
            title += f" · by the last {setting['last_events']} events only"
        tables = []
        for filter_seen, mode in MODES.items():
            results = [each for each in self.evaluations if each.filter_seen == filter_seen]
            table = Table(title=Text(mode, "bold"), title_justify="left")
            table.add_column("metric")
            for each in results:
                # Six rankers fit 80 columns where names are broken.
                table.add_column(each.ranker.replace("-", "-\n"), justify="right")
            names = list(metrics or results[0].intervals)
            for name in names:
                table.add_row(name, *(_show(each.intervals[name]) for each in results))
            if len(results) > 1:
                first = results[0].per_user[names[-1]]
                leads = [
                    paired_difference(first, each.per_user[names[-1]], self._seed)
                    for each in results[1:]
                ]
                table.add_row("  its lead", "", *map(_show, leads))
            for label, users in split_by_search(results[0]).items():
                table.add_row(
                    f"{names[-1]} {label}",
                    *(f"{each.per_user[names[-1]][users].mean():.4f}" for each in results),
                )
            table.add_section()
            widest = list(results[0].coverage)[-1]
            table.add_row(widest, *(f"{each.coverage[widest]:.1%}" for each in results))
            table.add_row("invalid", *(f"{each.invalid_rate:.2%}" for each in results))
            table.add_row("duplicate", *(f"{each.duplicate_rate:.2%}" for each in results))
            table.add_row("users/s", *(f"{each.users_per_s:,.0f}" for each in results))
            tables.append(table)
        return Group(title, *tables, "mean and 95% bootstrap interval over users")

    def _shown(self) -> Iterator[str | display.Table]:
        for filter_seen, mode in MODES.items():
            results = [each for each in self.evaluations if each.filter_seen == filter_seen]
            rows = (
                (name, *(_show(each.intervals[name]).plain for each in results))
                for name in results[0].intervals
            )
            yield display.Table(("metric", *(each.ranker for each in results)), rows, mode)
        yield (
            f"mean and 95% bootstrap interval over {self.setting['num_users']:,} users of the "
            f"{self.setting['split']} split"
        )

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
    num_beams: int | None = None,
    last_events: int | None = None,
) -> Report:
    """Evaluate rankers on the same questions; see ``evaluate`` for the arguments.

    The report's setting says what a reader must know to trust it: what the data were (hash,
    protocol, items ranked), what was asked (split, moment, k, users), that hits are items and not
    semantic IDs, and that ties in time are in the order of the events' file.

    Args:
        rankers: The one under test first; names must differ.
        data: See ``evaluate``.
        split: See ``evaluate``.
        k: See ``evaluate``.
        ask_at: See ``evaluate``.
        max_users: See ``evaluate``.
        seed: See ``evaluate``.
        num_beams: Of the ranker under test, to be stated; None: it does not search by beams.
        last_events: See ``evaluate``.
    """
    evaluations = tuple(
        result
        for ranker in rankers
        for result in evaluate(
            ranker, data, split, k, ask_at, max_users, seed=seed, last_events=last_events
        )
    )
    first, *_ = evaluations
    setting = {
        "data_hash": data.manifest.content_hash,
        "protocol": data.protocol,
        "split": split,
        "ask_at": ask_at,
        "k": k,
        "num_beams": num_beams,
        "level": "item",
        "num_users": len(first.user_ids),
        "num_items": len(data.item_index),
        "max_users": max_users,
        "last_events": last_events,
        "max_targets": int(first.num_targets.max()),
        "tie_order": "file",
        "tied_share": tied_share(data, split),
        "seed": seed,
    }
    provenance = {ranker.name: provenance_of(ranker) for ranker in rankers}
    return Report(setting, provenance, evaluations)


def mode_name(filter_seen: bool) -> str:
    """Return the name of a filter mode in reports and arrays."""
    return "filtered" if filter_seen else "unfiltered"


def ranks_name(ranker: str, filter_seen: bool) -> str:
    """Return the name of a ranker's array of ranks."""
    return f"{ranker}/{mode_name(filter_seen)}/ranks"


def _show(interval: Interval) -> Text:
    low, high = (f"{end:.3f}".replace("0.", ".", 1) for end in (interval.low, interval.high))
    return Text.assemble(f"{interval.mean:.4f} ", (f"{low}–{high}", "dim"))
