"""Cuts events that came to the store into what an update learns and what it is judged by.

Enters: the data of the run that serves, and these joined with the store. Leaves: three data sets in
a folder. ``train`` holds what may be learned: new events and replayed older ones; its valid split
stops the training and chooses. ``newest`` asks about the newest events, of users who were there
before: whoever makes up accounts must not judge. ``older`` asks about events that were held out of
the run's own training, and that no update learns either: its test split judges, its valid split
says before what choices cost. All that comes after an event is unknown to its history.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrec.artifacts import write_aside, write_manifest
from genrec.data import Dataset
from genrec.data.dataset import EVENTS_FILE, ITEMS_FILE, KIND, USERS_FILE
from genrec.data.prepare import content_files
from genrec.data.report import EVENT_SCHEMA
from genrec.errors import DataError
from genrec.schema import SPLIT, TIMESTAMP, USER_ID, Split
from genrec.updates.config import UpdateConfig

BATCH_ROWS = 1 << 16
NEVER = np.iinfo(np.int64).max
Assign = Callable[[pa.Table], pa.Array]
"""The split of each row, null for rows that are left out."""


@dataclass(frozen=True)
class Slices:
    """The three data sets, and the whole past that may be counted.

    Attributes:
        folder: In which they lie.
        train: What is learned: train and valid split.
        past: All events that may be counted, as train split.
        newest: Judges by its test split; None where there are no new events to judge by.
        older: Judges by its test split; its valid split, where there is one, chooses.
        until: Time of the newest event of all, seconds.
        counted_until: ``past`` holds what came before this moment, seconds.
    """

    folder: Path
    train: Dataset
    past: Dataset
    newest: Dataset | None
    older: Dataset
    until: int
    counted_until: int


def cut(
    base: Dataset, joined: Dataset, known_until: int, folder: Path, config: UpdateConfig
) -> Slices:
    """Write the slices.

    Args:
        base: Data that the run was trained on.
        joined: The same with what the store holds; without the forgotten.
        known_until: What happened up to then is known to what serves, seconds.
        folder: To write into.
        config: Shares and sizes.

    Raises:
        DataError: The base holds no events out.
    """
    columns = pq.read_table(joined.path / EVENTS_FILE, columns=[USER_ID, TIMESTAMP])
    users, times = columns.column(USER_ID), columns.column(TIMESTAMP).to_numpy()
    is_new = times > known_until
    new_times = np.sort(times[is_new])
    starts = [
        int(np.quantile(new_times, 1 - share, method="higher")) if len(new_times) else NEVER
        for share in (config.held_out + config.valid, config.held_out)
    ]
    valid_from, judged_from = starts
    there_before = pc.unique(users.filter(pa.array(~is_new)))
    with_new = pc.unique(users.filter(pa.array(is_new & (times < judged_from))))
    judged_split = _judged_split(base)
    judged = _HeldOut.draw(base, judged_split, pc.unique(users), config)
    choosing = _HeldOut.draw(base, "valid", pc.unique(users), config)
    if judged_split == "valid":
        choosing = judged.nobody()
    others = there_before.filter(pc.invert(pc.is_in(there_before, with_new))).to_pylist()
    rng = np.random.default_rng(config.seed)
    count = min(len(others), max(round(config.replay * len(with_new)), 1))
    replayed = [others[place] for place in sorted(rng.choice(len(others), count, replace=False))]
    learned = pa.array([*with_new.to_pylist(), *replayed], pa.string())

    def may_be_learned(table: pa.Table) -> np.ndarray:
        at = table.column(TIMESTAMP).to_numpy()
        result: np.ndarray = (at < judged_from) & ~judged.holds(table) & ~choosing.holds(table)
        return result

    def split_past(table: pa.Table) -> pa.Array:
        at = table.column(TIMESTAMP).to_numpy()
        allowed = may_be_learned(table) & (at < valid_from)
        return _splits(np.where(allowed, "train", ""))

    def split_train(table: pa.Table) -> pa.Array:
        at = table.column(TIMESTAMP).to_numpy()
        wanted = may_be_learned(table) & _is_in(table, learned)
        return _splits(np.where(wanted, np.where(at < valid_from, "train", "valid"), ""))

    def split_newest(table: pa.Table) -> pa.Array:
        at = table.column(TIMESTAMP).to_numpy()
        asked = (at >= judged_from) & _is_in(table, there_before)
        return _splits(np.where(at < judged_from, "train", np.where(asked, "test", "")))

    def split_older(table: pa.Table) -> pa.Array:
        judges, chooses = judged.holds(table), choosing.holds(table)
        names = np.where(judged.precedes(table) | choosing.precedes(table), "train", "")
        return _splits(np.where(judges, "test", np.where(chooses, "valid", names)))

    return Slices(
        folder,
        _resplit(joined, folder / "train", split_train),
        _resplit(joined, folder / "past", split_past),
        _resplit(joined, folder / "newest", split_newest) if len(new_times) else None,
        _resplit(joined, folder / "older", split_older),
        int(times.max(initial=known_until)),
        valid_from,
    )


def last_time(data: Dataset) -> int:
    """Return the time of the newest event, seconds."""
    times = pq.read_table(data.path / EVENTS_FILE, columns=[TIMESTAMP]).column(TIMESTAMP)
    return int(pc.max(times).as_py())


def _judged_split(data: Dataset) -> Split:
    """Return the split of a run's own data that it was not trained on.

    Raises:
        DataError: There is none.
    """
    for split in ("test", "valid"):
        if data.num_examples(split):
            return split
    raise DataError(
        f"{data.path} holds no event out, so nothing could tell whether an update forgets; "
        "prepare it with test_users or valid_users above 0"
    )


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Events of some users that no update learns: for each user, from when until when.

    Attributes:
        users: Who.
        first: Seconds. Shape: (users + 1,), so that -1, for nobody, finds one.
        last: Seconds. Shape: that of ``first``.
    """

    users: pa.Array
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def draw(cls, base: Dataset, split: Split, present: pa.Array, config: UpdateConfig) -> Self:
        """Draw who is asked about the events of a split."""
        table = pq.read_table(base.path / EVENTS_FILE, columns=[USER_ID, TIMESTAMP, SPLIT])
        table = table.filter(pc.equal(table.column(SPLIT), split))
        table = table.filter(pc.is_in(table.column(USER_ID), present))
        spans = table.group_by(USER_ID, use_threads=False).aggregate(
            [(TIMESTAMP, "min"), (TIMESTAMP, "max")]
        )
        order = np.random.default_rng(config.seed).permutation(len(spans))[: config.users]
        drawn = spans.take(pa.array(np.sort(order)))
        first, last = (drawn.column(f"{TIMESTAMP}_{end}").to_numpy() for end in ("min", "max"))
        users = drawn.column(USER_ID).combine_chunks()
        return cls(users, np.append(first, NEVER), np.append(last, -NEVER))

    def nobody(self) -> Self:
        """Return that of no users."""
        return replace(
            self, users=self.users.slice(0, 0), first=self.first[-1:], last=self.last[-1:]
        )

    def holds(self, table: pa.Table) -> np.ndarray:
        """Mark the rows that are held out."""
        at, place = table.column(TIMESTAMP).to_numpy(), self._places(table)
        result: np.ndarray = (at >= self.first[place]) & (at <= self.last[place])
        return result

    def precedes(self, table: pa.Table) -> np.ndarray:
        """Mark the rows of these users before what is held out."""
        at, place = table.column(TIMESTAMP).to_numpy(), self._places(table)
        result: np.ndarray = (place >= 0) & (at < self.first[place])
        return result

    def _places(self, table: pa.Table) -> np.ndarray:
        found = pc.index_in(table.column(USER_ID), self.users)
        rows: np.ndarray = np.asarray(pc.fill_null(found, -1))
        return rows


def _is_in(table: pa.Table, users: pa.Array) -> np.ndarray:
    found: np.ndarray = pc.is_in(table.column(USER_ID), users).to_numpy()
    return found


def _splits(names: np.ndarray) -> pa.Array:
    return pa.array(names, pa.string(), mask=names == "")


def _resplit(source: Dataset, out: Path, assign: Assign) -> Dataset:
    """Write the events of a data set under other splits, with all its items and descriptions."""
    place = EVENT_SCHEMA.get_field_index(SPLIT)
    with write_aside(out) as scratch:
        with (
            pq.ParquetFile(source.path / EVENTS_FILE) as file,
            pq.ParquetWriter(scratch / EVENTS_FILE, EVENT_SCHEMA) as writer,
        ):
            for batch in file.iter_batches(BATCH_ROWS, columns=EVENT_SCHEMA.names):
                table = pa.table(batch).cast(EVENT_SCHEMA)
                splits = assign(table)
                table = table.set_column(place, EVENT_SCHEMA.field(place), splits)
                writer.write_table(table.filter(splits.is_valid()))
        for name in (ITEMS_FILE, USERS_FILE):
            if (source.path / name).exists():
                shutil.copy(source.path / name, scratch / name)
        settings = {**source.manifest.config, "split": "global-time"}
        write_manifest(scratch, out, KIND, settings, content_files(scratch))
    return Dataset.load(out)
