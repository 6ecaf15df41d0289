"""Answers shards: what one process, here or on Ray, does of a batch job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from genrec.batch.config import BatchConfig
from genrec.batch.parts import REJECTS, Parts
from genrec.batch.shards import Shard, read_shard, read_users_file
from genrec.batching import in_batches
from genrec.data import Dataset
from genrec.frames.answers import RECOMMENDATIONS
from genrec.recommender import Recommender
from genrec.schema import History, Request

USERS_AT_ONCE = 256


class Worker:
    """A recommender that answers shards; one for each process."""

    def __init__(self, config: BatchConfig) -> None:
        """Load the model."""
        self._config = config
        self._recommender = Recommender.from_pretrained(
            config.run,
            config.device,
            config.num_beams,
            vllm=config.vllm,
            histories=config.histories,
        )
        self._wanted = None if config.users is None else read_users_file(config.users)
        self._parts = Parts(config.out)

    @property
    def data(self) -> Dataset:
        """Where users are read from."""
        return self._recommender.data

    def answer(self, shard: Shard) -> int:
        """Answer a shard and write its part; return its number of users."""
        if not self._parts.has(shard.number):
            told: dict[str, str] = {}
            usable = []
            for history in read_shard(self.data, shard, self._wanted):
                known, told[history.user_id] = self._known_part(history)
                if known.events or known.about is not None:
                    usable.append(known)
            rows = list(self._rows(usable))
            answered = {user_id for user_id, *_ in rows}
            for each in usable:
                if each.user_id not in answered:
                    told[each.user_id] = "its history leaves no item to recommend"
            refused = [(user_id, reason) for user_id, reason in told.items() if reason]
            self._parts.write(
                shard.number, make_table(rows, RECOMMENDATIONS), make_table(refused, REJECTS)
            )
        return shard.users

    def _rows(self, histories: Iterable[History]) -> Iterable[tuple[str, str, float, int]]:
        for batch in in_batches(histories, USERS_AT_ONCE):
            requests = [Request(history, filter_seen=self._config.filter_seen) for history in batch]
            found = self._recommender.rank_many(requests, self._config.k)
            for history, items in zip(batch, found, strict=True):
                for item in items:
                    yield history.user_id, item.item_id, item.score, item.rank

    def _known_part(self, history: History) -> tuple[History, str]:
        """Return the events whose items the model can read, and what to say of the others."""
        unknown = {
            place: event.item_id
            for place, event in enumerate(history.events)
            if not self._recommender.knows(event.item_id)
        }
        if not unknown:
            return history, ""
        item_id = next(iter(unknown.values()))
        is_some_left = len(unknown) < len(history.events) or history.about is not None
        left = "answered from the rest" if is_some_left else "none is left"
        reason = (
            f"{len(unknown)} of {len(history.events)} events are of items without a semantic ID, "
            f"such as '{item_id}': {left}"
        )
        return history.without(unknown), reason


def make_table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table."""
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [[] for _ in schema.names]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )
