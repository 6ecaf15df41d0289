"""What language buys, from saved evaluations: a section of docs/results.md.

Enters: a folder with the evaluations of rows, ROW/PART-COLUMN/SEED. Leaves: Markdown, and the same
figures as plain JSON. What was not evaluated is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.language.columns import COLUMNS, PARTS, place
from benchmarks.language.rows import ROWS
from genrec.evaluate.bootstrap import Interval, intervals
from genrec.evaluate.saved import SavedEvaluation, find_evaluations, load_evaluation

METRIC = "ndcg@10"
COMMAND_FILE = "commands.txt"
TITLE = "What language buys"
DIFFERENCES = {
    "scratch-words": ("scratch",),
    "ids": ("scratch",),
    "words": ("ids",),
    "alignment": ("scratch", "ids", "words", "random", "shuffled"),
    "longer": ("scratch", "alignment"),
    "small-steps": ("scratch", "scratch-words", "alignment"),
    "lora": ("scratch", "alignment"),
}
"""What each row is compared with."""

Key = tuple[str, str, str]
"""Row, part, column."""


@dataclass(frozen=True)
class Cell:
    """One row's evaluations in one column.

    Attributes:
        values: The metric of each user, by seed and user.
        setting: What was asked; see ``Report.setting``.
        commits: That they were made at.
    """

    values: Mapping[str, Mapping[str, float]]
    setting: Mapping[str, Any]
    commits: frozenset[str]

    def mean(self, seeds: Sequence[str], users: Sequence[str]) -> np.ndarray:
        """Return the mean over seeds. Shape: (users,)."""
        return np.mean([[self.values[seed][user] for user in users] for seed in seeds], axis=0)

    @property
    def users(self) -> list[str]:
        """Who was asked about under every seed, in order."""
        first, *others = self.values.values()
        return [user for user in first if all(user in other for other in others)]

    @property
    def interval(self) -> Interval:
        """Mean and interval over users."""
        return intervals({METRIC: self.mean([*self.values], self.users)})[METRIC]

    def minus(self, other: Cell) -> Interval | None:
        """Return what this row has more, paired by seed and user; None where they share none."""
        seeds = [seed for seed in self.values if seed in other.values]
        shared = set(other.users)
        users = [user for user in self.users if user in shared]
        if not seeds or not users:
            return None
        more = self.mean(seeds, users) - other.mean(seeds, users)
        return intervals({METRIC: more})[METRIC]


def read_cells(folder: Path) -> dict[Key, Cell]:
    """Read what was evaluated."""
    found: dict[Key, Cell] = {}
    for row in ROWS:
        for part in PARTS:
            for column in COLUMNS:
                saved_in = place(folder, row, part, column)
                if saved_in.is_dir():
                    saved = [load_evaluation(each) for each in find_evaluations(saved_in)]
                    found[row, part, column] = _cell(saved)
    return found


def _cell(saved: Sequence[SavedEvaluation]) -> Cell:
    values = {}
    for each in saved:
        measured = each.per_user(each.rankers[0], True)[METRIC]
        users = each.arrays["user_ids"].tolist()
        values[each.path.name] = dict(zip(users, measured.tolist(), strict=True))
    commits = frozenset(each.manifest.commit or "not recorded" for each in saved)
    return Cell(values, saved[0].report, commits)


def differences(cells: Mapping[Key, Cell]) -> dict[tuple[str, str], dict[str, Interval]]:
    """Return what rows have more than others, by "row − other" and part, then by column."""
    found: dict[tuple[str, str], dict[str, Interval]] = {}
    for row, others in DIFFERENCES.items():
        for other in others:
            for part in PARTS:
                for column in COLUMNS:
                    ours = cells.get((row, part, column))
                    theirs = cells.get((other, part, column))
                    more = ours.minus(theirs) if ours and theirs else None
                    if more is not None:
                        found.setdefault((f"{row} − {other}", part), {})[column] = more
    return found


def to_json(cells: Mapping[Key, Cell]) -> dict[str, Any]:
    """Return every figure as mean, low and high."""
    figures: dict[str, Any] = {}
    for (row, part, column), cell in cells.items():
        figures.setdefault(row, {}).setdefault(part, {})[column] = _rounded(cell.interval)
    for (name, part), found in differences(cells).items():
        own = {column: _rounded(each) for column, each in found.items()}
        figures.setdefault(name, {})[part] = own
    return figures


def _rounded(interval: Interval) -> list[float]:
    return [round(value, 4) for value in (interval.mean, interval.low, interval.high)]


def write_section(folder: Path) -> str:
    """Return the section of one data set; empty where nothing was evaluated.

    Args:
        folder: Of the evaluations; its name is the data set's.
    """
    cells = read_cells(folder)
    if not cells:
        return ""
    columns = [name for name in COLUMNS if any(key[2] == name for key in cells)]
    rows = [name for name in ROWS if any(key[0] == name for key in cells)]
    commits = sorted({commit for cell in cells.values() for commit in cell.commits})
    beams = sorted({cell.setting["num_beams"] for cell in cells.values()})
    lines = [
        f"## {TITLE}, {folder.name}\n",
        "N@10 with seen items filtered, and its 95% interval over users (each user's value is the "
        "mean over seeds); each row as the causal LM alone and pooled with the SASRec head. "
        f"{_users(cells, columns)}. {'/'.join(map(str, beams))} beams; commit "
        f"{', '.join(f'`{commit}`' for commit in commits)}.",
    ]
    command = folder / COMMAND_FILE
    if command.exists():
        lines.append(f"\n```sh\n{command.read_text(encoding='utf-8')}```")
    lines.append("")
    lines += [f"- **{name}**: {ROWS[name].about}" for name in rows]
    head = [COLUMNS[name].title for name in columns]
    table = [["", "", "seeds", *head]]
    for (row, part), own in _by_row(cells).items():
        seeds = max(len(cell.values) for cell in own.values())
        shown = [_show(own[name].interval) if name in own else "–" for name in columns]
        table.append([row, part, str(seeds), *shown])
    lines += ["", _markdown(table)]
    if more := differences(cells):
        lines.append("What a row has more than another, paired by seed and user:\n")
        table = [["", "", *head]]
        for (name, part), found in more.items():
            shown = [_show(found[each], "+") if each in found else "–" for each in columns]
            table.append([name, part, *shown])
        lines.append(_markdown(table))
    return "\n".join(lines)


def _by_row(cells: Mapping[Key, Cell]) -> dict[tuple[str, str], dict[str, Cell]]:
    found: dict[tuple[str, str], dict[str, Cell]] = {}
    for (row, part, column), cell in cells.items():
        found.setdefault((row, part), {})[column] = cell
    return found


def _users(cells: Mapping[Key, Cell], columns: Sequence[str]) -> str:
    """Say how many users each column asked about, and how many items it ranked."""
    said: dict[str, list[str]] = {}
    for name in columns:
        one = next(cell for key, cell in cells.items() if key[2] == name)
        asked = f"{len(one.users):,} users, {one.setting['num_items']:,} items"
        said.setdefault(asked, []).append(COLUMNS[name].title)
    return "; ".join(f"{asked} ({', '.join(names)})" for asked, names in said.items())


def _show(interval: Interval, sign: str = "") -> str:
    ends = f"({interval.low:{sign}.4f} to {interval.high:{sign}.4f})"
    return f"{interval.mean:{sign}.4f} {ends}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
