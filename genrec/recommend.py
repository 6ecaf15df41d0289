"""What a Python user imports: load a run, recommend, say interests.

recommender = Recommender.load("runs/demo/sft")
recommender.recommend(user_id="u17", k=10)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from genrec.data import Dataset
from genrec.engines.base import Engine, ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.errors import DataError, DecodeError
from genrec.interests.summary import Summary, summarize
from genrec.model.load import LoadedRun, load_run
from genrec.schema import Event, History, Recommendation, Request

NEW_USER = "new user"


class Recommender:
    """A trained run behind an engine; a ``schema.Ranker``."""

    name = "genrec"

    def __init__(self, run: LoadedRun, engine: Engine, data: Dataset) -> None:
        self._run = run
        self._engine = engine
        self._data = data

    @classmethod
    def load(cls, path: Path | str, device: str | None = None, num_beams: int = 50) -> Recommender:
        """Load a base, pretrained, fine-tuned or merged run with everything it was built on.

        Args:
            path: The run.
            device: Such as "cpu" or "cuda"; None takes a GPU where there is one.
            num_beams: Width of the search; results are exact when it covers the catalogue.

        Raises:
            ArtifactError: The run or one of its parents is missing, damaged or another one.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        run = load_run(Path(path), device)
        return cls(run, TorchEngine(run.model, run, device, num_beams), Dataset.load(run.data))

    @property
    def data(self) -> Dataset:
        """The prepared data the run was trained on."""
        return self._data

    def recommend(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        k: int = 10,
        exclude: Collection[str] = (),
        only: Collection[str] | None = None,
        at: int | None = None,
        event_type: str | None = None,
        repeats: bool = False,
    ) -> list[Recommendation]:
        """Recommend ``k`` items to a known user or for a history never seen.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first; may be empty. Give this or ``user_id``.
            k: How many.
            exclude: Item IDs never to return.
            only: Return nothing outside these item IDs.
            at: Moment of asking, seconds; None: right after the last event.
            event_type: Kind of act to foresee; None: that of the last event.
            repeats: Whether items of the history may come again.

        Raises:
            DataError: An unknown user or item.
            DecodeError: The filters leave fewer than ``k`` items.
        """
        if k < 1:
            raise DecodeError(f"k={k}: ask for at least one item")
        for item_id in {*exclude, *(only or ())}:
            self._run.table.index_of(item_id)
        request = Request(
            self.history(user_id, events),
            at,
            event_type,
            frozenset(exclude),
            None if only is None else frozenset(only),
            repeats,
        )
        found = self.recommend_many([request], k)[0]
        if len(found) < k:
            raise DecodeError(
                f"asked for {k} items, but the filters leave {len(found)} of "
                f"{len(self._run.table.item_ids)}; ask for fewer or filter less"
            )
        return found

    def recommend_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker.recommend_many``; items a filter names in vain are passed over.

        Raises:
            DataError: A history names an item that is not in the table.
        """
        prompts = self._run.encoder.prompts(requests)
        only_rows: dict[frozenset[str], np.ndarray] = {}
        queries = []
        for request, prompt in zip(requests, prompts, strict=True):
            excluded = set(request.exclude)
            if not request.repeats:
                excluded.update(event.item_id for event in request.history.events)
            only = None
            if request.only is not None:
                if request.only not in only_rows:
                    only_rows[request.only] = np.array(self._rows(request.only), dtype=np.int64)
                only = only_rows[request.only]
            queries.append(ItemQuery(prompt, self._rows(excluded), only))
        return [
            [
                self._recommendation(int(row), rank, float(score))
                for rank, (row, score) in enumerate(
                    zip(found.rows, found.scores, strict=True), start=1
                )
            ]
            for found in self._engine.items(queries, k)
        ]

    def interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None
    ) -> Summary:
        """Say what a user cares about, in words that the events support.

        Raises:
            DataError: An unknown user or item.
        """
        history = self.history(user_id, events)
        return summarize([history], self._engine, self._run.encoder)[0]

    def next_interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None, top: int = 5
    ) -> list[tuple[str, float]]:
        """Return the coarse interests the model expects next, with their probabilities."""
        request = Request(self.history(user_id, events))
        log_probs = self._engine.first_code_log_probs(self._run.encoder.prompts([request]))[0]
        best = np.argsort(-log_probs, kind="stable")[:top]
        table = self._run.table
        return [
            (table.name_of((int(code),)), float(np.exp(log_probs[code])))
            for code in best
            if np.isfinite(log_probs[code])
        ]

    def prompt(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        at: int | None = None,
        event_type: str | None = None,
    ) -> tuple[str, int]:
        """Return exactly what the model reads before it writes an item, and its tokens' number."""
        request = Request(self.history(user_id, events), at, event_type)
        tokens = self._run.encoder.prompts([request])[0]
        return self._run.encoder.tokenizer.decode(tokens), len(tokens)

    def history(self, user_id: str | None, events: Iterable[Event] | None) -> History:
        """Return a known user's whole history, or the events given."""
        if (user_id is None) == (events is None):
            raise DataError("give either a known user_id or the events of a history")
        if user_id is not None:
            return self._data.history(user_id)
        assert events is not None
        return History(NEW_USER, tuple(events))

    def _rows(self, item_ids: Iterable[str]) -> list[int]:
        table = self._run.table
        return [table.index_of(item_id) for item_id in item_ids if table.knows(item_id)]

    def _recommendation(self, row: int, rank: int, score: float) -> Recommendation:
        item_id = self._run.table.item_ids[row]
        place = self._data.item_index.get(item_id)
        title = None if place is None else self._data.items[place].label
        codes = tuple(int(code) for code in self._run.table.codes[row])
        return Recommendation(item_id, rank, score, title, codes)
