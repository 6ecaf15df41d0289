"""A prepared data set on disk, read back as the nouns of ``genrec.schema``.

Enters: the directory that ``genrec.data.prepare`` wrote. Leaves: items (in memory), histories,
examples and interactions (streamed from disk). Knows nothing of files before preparation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrec.arguments import check_id
from genrec.artifacts import Manifest, read_manifest
from genrec.data.database import connect
from genrec.data.item_rows import read_rows
from genrec.display import ShortRepr
from genrec.errors import ArtifactError, DataError
from genrec.schema import (
    ABOUT,
    EVENT_COLUMNS,
    FEEDBACK,
    ITEM_ID,
    SPLIT,
    SPLITS,
    TEXT,
    TIMESTAMP,
    USER_ID,
    Event,
    Example,
    History,
    Item,
    Search,
    Split,
)

EVENTS_FILE = "events.parquet"
ITEMS_FILE = "items.parquet"
SEARCHES_FILE = "searches.parquet"
"""What users searched for; a log without searches leaves none."""
USERS_FILE = "users.parquet"
"""What users say of themselves, where they were asked."""
REJECTS_FILE = "rejects.jsonl.gz"
REPORT_FILE = "report.json"
CATALOGUE_ONLY = "catalogue_only"
"""Setting of a data set without events: the catalogue that ``save_pretrained`` writes."""
KIND = "data"

Protocol = Literal["leave-one-out", "global-time"]

DAMAGED = (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException)
"""What duckdb raises for a file that it cannot read, or that lacks a column."""
_BATCH_ROWS = 16_384
_TIME_PLACE = EVENT_COLUMNS.index(TIMESTAMP)


@dataclass(frozen=True, slots=True, repr=False)
class Interactions(ShortRepr):
    """Who met what when, as integers: grouped by user, oldest first.

    Attributes:
        user_index: Position of the user in the file's order. Shape: (num_events,), int64.
        item_index: Position of the item in the catalogue. Shape: (num_events,), int64.
        timestamp: Seconds. Shape: (num_events,), int64.
        num_users: Users of the whole data set, with or without events here.
        num_items: Items of the catalogue.
    """

    user_index: np.ndarray
    item_index: np.ndarray
    timestamp: np.ndarray
    num_users: int
    num_items: int

    @property
    def item_counts(self) -> np.ndarray:
        """Events of each item. Shape: (num_items,), int64."""
        return np.bincount(self.item_index, minlength=self.num_items)


@dataclass(frozen=True, repr=False)
class Dataset(ShortRepr):
    """Events and items of one prepared directory; make one with ``Dataset.load``.

    Attributes:
        path: The directory.
        manifest: What it was made from.
    """

    path: Path
    manifest: Manifest = field(repr=False)

    @classmethod
    def load(cls, path: Path | str) -> Dataset:
        """Open a prepared data set; nothing but its manifest is read yet.

        Raises:
            ArtifactError: Nothing there, damaged, or not a data set.
        """
        path = Path(path)
        manifest = read_manifest(path, KIND)
        dataset = cls(path, manifest)
        for name in (EVENTS_FILE, ITEMS_FILE) if dataset.has_events else (ITEMS_FILE,):
            if not (path / name).is_file():
                raise ArtifactError(f"{path} has lost its {name}; prepare it again")
        return dataset

    @property
    def has_events(self) -> bool:
        """Whether it holds events; the catalogue of a model that was moved holds none."""
        return not self.manifest.config.get(CATALOGUE_ONLY, False)

    @property
    def has_searches(self) -> bool:
        """Whether the log held searches."""
        return (self.path / SEARCHES_FILE).is_file()

    @property
    def protocol(self) -> Protocol:
        """How the events were split."""
        split: Protocol = self.manifest.config["split"]
        return split

    @cached_property
    def items(self) -> list[Item]:
        """The catalogue; an item's position is its ``item_index``."""
        return read_rows(self._open(ITEMS_FILE).read().to_pylist())

    @cached_property
    def item_index(self) -> dict[str, int]:
        """Position in the catalogue of every item ID."""
        ids = self._open(ITEMS_FILE).read([ITEM_ID]).column(0).to_pylist()
        return {item_id: index for index, item_id in enumerate(ids)}

    @cached_property
    def items_by_id(self) -> dict[str, Item]:
        """The catalogue, by item ID."""
        return {item.item_id: item for item in self.items}

    def histories(self, upto: Split, feedback: bool = False) -> Iterator[History]:
        """Yield every user's events up to and including a split, users in the file's order.

        Users without such an event are left out.

        Args:
            upto: The last split.
            feedback: Whether events against their items are wanted too (``genrec.feedback``).
        """
        known = _known(upto, feedback)
        for user_id, rows in self._users():
            events = tuple(event for event, split in rows if split in known)
            if events:
                later = [event.timestamp for event, split in rows if split not in known]
                yield self.with_words(user_id, events, min(later, default=None))

    def history(self, user_id: str | int, upto: Split = "test") -> History:
        """Return one user's events up to and including a split, read from disk.

        Returns:
            The history; empty where all of the user's events come later, or the user is known by a
            description alone. Of all splits, it holds the events against their items too
            (``genrec.feedback``).

        Raises:
            DataError: Nobody has this ID.
        """
        user = check_id(user_id, "user_id")
        self.check_events()
        columns = ", ".join([*EVENT_COLUMNS, SPLIT])
        query = (
            f"SELECT {columns} FROM read_parquet(?) WHERE {USER_ID} = ? ORDER BY file_row_number"
        )
        known = _known(upto, feedback=upto == SPLITS[-1])
        with connect() as connection:
            try:
                rows = connection.execute(query, [str(self.path / EVENTS_FILE), user]).fetchall()
            except DAMAGED as error:
                raise self._damaged(EVENTS_FILE, error) from None
        if not rows and self.descriptions.get(user) is None:
            raise DataError(
                f"no user '{user}' in {self.path}; check the ID (IDs are text and "
                "case-sensitive), or give the events of a new user yourself"
            )
        later = [row[_TIME_PLACE] for row in rows if row[-1] not in known]
        events = tuple(Event(*row[:-1]) for row in rows if row[-1] in known)
        return self.with_words(user, events, min(later, default=None))

    def examples(self, split: Split) -> Iterator[Example]:
        """Yield, for every user with events in a split, these and what came before the split.

        Users without a history or without targets are left out, so "train" yields none.
        """
        earlier = _splits_upto(split)[:-1]
        for user_id, rows in self._users():
            history = tuple(event for event, name in rows if name in earlier)
            targets = tuple(event for event, name in rows if name == split)
            if history and targets:
                known = self.with_words(user_id, history, targets[0].timestamp)
                yield Example(known, targets)

    def num_examples(self, split: Split) -> int:
        """Return how many ``examples`` yields, without reading the events."""
        earlier = _splits_upto(split)[:-1]
        self.check_events()
        query = (
            f"SELECT {USER_ID} FROM read_parquet(?) GROUP BY {USER_ID} "
            f"HAVING bool_or({SPLIT} = ?) AND bool_or(list_contains(?, {SPLIT}))"
        )
        with connect() as connection:
            try:
                found = connection.execute(
                    f"SELECT count(*) FROM ({query})",
                    [str(self.path / EVENTS_FILE), split, list(earlier)],
                ).fetchone()
            except DAMAGED as error:
                raise self._damaged(EVENTS_FILE, error) from None
        return int(found[0]) if found else 0

    def interactions(self, upto: Split) -> Interactions:
        """Return the events up to and including a split as integer arrays."""
        known = _splits_upto(upto)
        users, items, times = [], [], []
        last_user, last_index = None, -1
        batches = self._open(EVENTS_FILE).iter_batches(
            1 << 17, columns=[USER_ID, ITEM_ID, TIMESTAMP, SPLIT]
        )
        for batch in batches:
            user_ids = batch.column(USER_ID)
            starts = np.empty(len(user_ids), dtype=bool)
            starts[0] = user_ids[0].as_py() != last_user
            starts[1:] = pc.not_equal(user_ids[1:], user_ids[:-1]).to_numpy(zero_copy_only=False)
            user_index = last_index + np.cumsum(starts, dtype=np.int64)
            last_user, last_index = user_ids[-1].as_py(), int(user_index[-1])
            splits = batch.column(SPLIT).to_numpy(zero_copy_only=False)
            kept = np.isin(splits.astype(str), known)
            users.append(user_index[kept])
            items.append(self._item_indices(batch.column(ITEM_ID))[kept])
            times.append(batch.column(TIMESTAMP).to_numpy()[kept])
        return Interactions(
            user_index=np.concatenate(users),
            item_index=np.concatenate(items),
            timestamp=np.concatenate(times),
            num_users=last_index + 1,
            num_items=len(self.item_index),
        )

    def _item_indices(self, item_ids: Any) -> np.ndarray:
        # Only the distinct IDs pass through Python.
        encoded = item_ids.dictionary_encode()
        index = np.array([self.item_index[item_id] for item_id in encoded.dictionary.to_pylist()])
        indices: np.ndarray = index[encoded.indices.to_numpy()].astype(np.int64)
        return indices

    def check_events(self) -> None:
        """Check that there are events to read.

        Raises:
            DataError: It is a model's catalogue, without anybody's events.
        """
        if not self.has_events:
            raise DataError(
                f"{self.path} is a model's catalogue and holds nobody's events; give prepared "
                "data as `histories` (command line: --histories), or the events themselves"
            )

    def with_words(
        self, user_id: str, events: tuple[Event, ...], before: int | None = None
    ) -> History:
        """Return a user's events with what they say of themselves and searched for.

        Args:
            user_id: Whose.
            events: Oldest first.
            before: Only searches before this moment, seconds; None: all.
        """
        searches = self._searches.get(user_id, ())
        if before is not None:
            searches = tuple(search for search in searches if search.timestamp < before)
        return History(user_id, events, searches, self.descriptions.get(user_id))

    @cached_property
    def _searches(self) -> dict[str, tuple[Search, ...]]:
        """Every user's searches, oldest first."""
        if not self.has_searches:
            return {}
        rows = self._open(SEARCHES_FILE).read([USER_ID, TIMESTAMP, TEXT]).to_pylist()
        return {
            user_id: tuple(Search(row[TIMESTAMP], row[TEXT]) for row in own)
            for user_id, own in itertools.groupby(rows, key=itemgetter(USER_ID))
        }

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """What users say of themselves, by user ID; some of them may have no events."""
        if not (self.path / USERS_FILE).is_file():
            return {}
        table = self._open(USERS_FILE).read([USER_ID, ABOUT])
        return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def _users(self) -> Iterator[tuple[str, list[tuple[Event, Split]]]]:
        """Yield each user's events with their splits; the file is grouped by user."""
        for user_id, rows in itertools.groupby(self._rows(), key=lambda row: row[0].user_id):
            yield user_id, list(rows)

    def _rows(self) -> Iterator[tuple[Event, Split]]:
        columns = [*EVENT_COLUMNS, SPLIT]
        for batch in self._open(EVENTS_FILE).iter_batches(_BATCH_ROWS, columns=columns):
            *values, splits = (batch.column(name).to_pylist() for name in columns)
            yield from zip(map(Event, *values), splits, strict=True)

    def _open(self, name: str) -> pq.ParquetFile:
        if name == EVENTS_FILE:
            self.check_events()
        try:
            return pq.ParquetFile(self.path / name)
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> ArtifactError:
        reason = str(error).partition("\n")[0]
        return ArtifactError(f"{self.path / name} is damaged ({reason}); prepare it again")


def _known(upto: Split, feedback: bool) -> tuple[str, ...]:
    return (*_splits_upto(upto), FEEDBACK) if feedback else _splits_upto(upto)


def _splits_upto(split: Split) -> tuple[Split, ...]:
    if split not in SPLITS:
        raise DataError(f"no split '{split}'; splits are {', '.join(SPLITS)}")
    return SPLITS[: SPLITS.index(split) + 1]
