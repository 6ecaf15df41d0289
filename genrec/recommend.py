"""What a Python user imports: load a run, recommend, say interests.

recommender = Recommender.load("runs/demo/sft")
recommender.recommend(user_id="u17", k=10)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from genrec.data import Dataset
from genrec.engines.base import Engine, ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.errors import ConfigError, DataError, DecodeError
from genrec.interests.summary import Summary, summarize
from genrec.model.load import ADAPTER_NAME, LoadedRun, base_of, describe_run, load_run
from genrec.schema import Event, History, Item, Recommendation, Request, SemanticId
from genrec.semantic_ids.extend import add_items, place_catalogue, place_items
from genrec.semantic_ids.table import SemanticIdTable

if TYPE_CHECKING:
    from genrec.zero_shot.config import ZeroShotConfig
    from genrec.zero_shot.recommender import ZeroShotRecommender

NEW_USER = "new user"


class Recommender:
    """A trained run behind an engine; a ``schema.Ranker``."""

    name = "genrec"

    def __init__(self, run: LoadedRun, engine: Engine, data: Dataset) -> None:
        self._run = run
        self._engine = engine
        self._data = data
        self._new_items: dict[str, Item] = {}

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str | None = None,
        num_beams: int = 50,
        vllm: str | None = None,
        dense_weight: float | None = None,
    ) -> Recommender:
        """Load a base, pretrained, fine-tuned or merged run with everything it was built on.

        Args:
            path: The run.
            device: Such as "cpu" or "cuda"; None takes a GPU where there is one.
            num_beams: Width of the search; results are exact when it covers the catalogue.
            vllm: URL of a ``python -m genrec.engines.vllm`` that serves the run's base; None runs
                the model in this process.
            dense_weight: Part of the dense view in the odds, 0 to 1: 0 asks the causal LM alone, 1
                the dense view alone; None: as chosen in training. In this process only.

        Raises:
            ArtifactError: The run or one of its parents is missing, damaged or another one.
            ConfigError: A weight for a run without a dense view, or for a model elsewhere.
            EngineUnavailable: Nothing answers at the URL.
        """
        if vllm is not None:
            if dense_weight is not None:
                raise ConfigError("a vLLM server weighs the dense view as its base says; leave it")
            from genrec.engines.vllm.client import VllmEngine

            run = describe_run(Path(path))
            remote = VllmEngine(vllm, run, num_beams)
            if base_of(run.path) != run.path:
                remote.load_adapter(ADAPTER_NAME, run.path)
                remote.use_adapter(ADAPTER_NAME)
            return cls(run, remote, Dataset.load(run.data))
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        run = load_run(Path(path), device)
        if dense_weight is not None:
            if run.dense is None or not 0 <= dense_weight <= 1:
                raise ConfigError(
                    f"dense_weight={dense_weight}: it lies in 0..1, and the run needs a dense view"
                )
            run.dense.weight = dense_weight
        return cls(run, TorchEngine(run, device, num_beams), Dataset.load(run.data))

    @staticmethod
    def zero_shot(
        model: str,
        data: Path | str,
        config: ZeroShotConfig | None = None,
        index: Path | str | None = None,
        model_name: str | None = None,
        api_key: str | None = None,
        device: str | None = None,
        raises: bool = False,
    ) -> ZeroShotRecommender:
        """Recommend by prompt with a stock chat model; see ``ZeroShotRecommender.load``.

        Args:
            model: URL of an OpenAI-compatible server, or a folder or Hugging Face name.
            data: Prepared data.
            config: How the model is asked.
            index: Semantic-ID table of the data; None makes one in memory.
            model_name: What the server calls the model; None: the first it serves.
            api_key: Of the server; None: the variable OPENAI_API_KEY.
            device: Of a local model.
            raises: Whether a request without an answer is an error in ``recommend_many`` too.
        """
        from genrec.zero_shot.recommender import ZeroShotRecommender

        return ZeroShotRecommender.load(
            model, data, config, index, model_name, api_key, device, raises
        )

    def move_to(self, data: Dataset | Path | str) -> None:
        """Answer from now on for another catalogue and its users, through text alone.

        The other catalogue's items get the IDs that the frozen encoder and codebook give their
        texts. What the model learned of prefixes carries over as far as texts are alike.

        Args:
            data: Prepared data of the other catalogue.

        Raises:
            DataError: The table has no encoder, or fewer IDs than there are items.
        """
        other = data if isinstance(data, Dataset) else Dataset.load(data)
        table = place_catalogue(self.table, other.items)
        self._data, self._new_items = other, {}
        self._grow(table, ())

    @property
    def data(self) -> Dataset:
        """The prepared data the run was trained on."""
        return self._data

    @property
    def table(self) -> SemanticIdTable:
        """The semantic IDs of everything that can be recommended."""
        return self._run.table

    def knows(self, item_id: str) -> bool:
        """Tell whether an item can be recommended."""
        return self.table.knows(item_id)

    def item(self, item_id: str) -> Item:
        """Return a catalogue entry.

        Raises:
            DataError: The item is not in the table.
        """
        self.table.index_of(item_id)
        if item_id in self._new_items:
            return self._new_items[item_id]
        place = self._data.item_index.get(item_id)
        return Item(item_id) if place is None else self._data.items[place]

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return self.table.codes_of(item_id)

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for the interest that a semantic-ID prefix is."""
        return self.table.name_of(prefix)

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
            self.table.index_of(item_id)
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
                f"{len(self.table)}; ask for fewer or filter less"
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
        return self.interests_many([self.history(user_id, events)])[0]

    def interests_many(self, histories: Sequence[History]) -> list[Summary]:
        """Say what each history's user cares about."""
        return summarize(histories, self._engine, self._run.encoder)

    def next_interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None, top: int = 5
    ) -> list[tuple[str, float]]:
        """Return the coarse interests the model expects next, with their probabilities."""
        return self.next_interests_many([self.history(user_id, events)], top)[0]

    def next_interests_many(
        self, histories: Sequence[History], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """Return for each history the interests expected next, likeliest first."""
        prompts = self._run.encoder.prompts([Request(history) for history in histories])
        return [
            [
                (self.table.name_of((int(code),)), float(np.exp(row[code])))
                for code in np.argsort(-row, kind="stable")[:top]
                if np.isfinite(row[code])
            ]
            for row in self._engine.first_code_log_probs(prompts)
        ]

    def add_items(self, items: Sequence[Item]) -> list[SemanticId]:
        """Give new items the free IDs nearest to them; they can be recommended from now on.

        Returns:
            The ID of each.

        Raises:
            DataError: An item is there already, or there is no room.
        """
        self._grow(add_items(self.table, items), items)
        return [self.codes_of(item.item_id) for item in items]

    def place_items(self, items: Sequence[Item], codes: Sequence[SemanticId]) -> None:
        """Add new items at IDs that they were given before.

        Raises:
            DataError: An item is there already, or an ID is taken or none of the table's.
        """
        self._grow(place_items(self.table, items, codes), items)

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters that are loaded."""
        return self._engine.adapters

    @property
    def adapter(self) -> str | None:
        """The adapter in use; None: the base alone."""
        return self._engine.adapter

    def load_adapter(self, name: str, path: Path | str) -> None:
        """See ``Engine.load_adapter``."""
        self._engine.load_adapter(name, Path(path))

    def use_adapter(self, name: str | None) -> None:
        """See ``Engine.use_adapter``."""
        self._engine.use_adapter(name)

    def drop_adapter(self, name: str) -> None:
        """See ``Engine.drop_adapter``."""
        self._engine.drop_adapter(name)

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

    def _grow(self, table: SemanticIdTable, items: Sequence[Item]) -> None:
        renderer = replace(self._run.encoder.renderer, table=table)
        encoder = replace(self._run.encoder, renderer=renderer)
        self._engine.replace_table(table)
        self._run = replace(self._run, encoder=encoder)
        self._new_items.update({item.item_id: item for item in items})

    def _rows(self, item_ids: Iterable[str]) -> list[int]:
        table = self.table
        return [table.index_of(item_id) for item_id in item_ids if table.knows(item_id)]

    def _recommendation(self, row: int, rank: int, score: float) -> Recommendation:
        item_id = self.table.item_ids[row]
        codes = tuple(int(code) for code in self.table.codes[row])
        return Recommendation(item_id, rank, score, self.item(item_id).label, codes)
