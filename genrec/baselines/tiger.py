"""TIGER: a T5 trained to write the semantic ID of the next item.

Enters: train histories and an ID table. Leaves: a ``schema.Ranker`` that decodes under the trie of
the table, so that an item it gives exists, is allowed and comes once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from transformers import T5ForConditionalGeneration

from genrec.baselines.tiger_config import TigerConfig
from genrec.baselines.tiger_model import (
    FIRST_CODE,
    build_model,
    code_tokens,
    lay_out,
    search,
)
from genrec.baselines.tiger_training import Samples, train
from genrec.baselines.validation import measure_ndcg, sample_questions
from genrec.batching import batch_by_length
from genrec.data import Dataset
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.errors import DataError
from genrec.schema import Item, Recommendation, Request
from genrec.semantic_ids.table import SemanticIdTable

_REQUESTS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Tiger:
    """A trained TIGER; make one with ``Tiger.fit``.

    Source: Rajput et al., "Recommender Systems with Generative Retrieval", arXiv 2305.05065; recipe
    of arXiv 2412.08604. Differs: IDs are those of our table, which also know behaviour and which no
    two items share (no fourth code); no user token; probabilities are renormalised over the items
    that a request allows, so no place of a list is invalid.

    Attributes:
        items: The catalogue in the order of the table's rows.
        table: Their semantic IDs.
        model: In evaluation mode.
        trie: Of the table's tokens, on the model's device.
        config: How it was trained, and the width of its search.
        curve: Looks at validation; see ``tiger_training.train``.
    """

    items: Sequence[Item] = field(repr=False)
    table: SemanticIdTable = field(repr=False)
    model: T5ForConditionalGeneration = field(repr=False)
    trie: DeviceTrie = field(repr=False)
    config: TigerConfig
    curve: tuple[dict[str, float], ...] = ()

    name = "tiger"

    @classmethod
    def fit(
        cls,
        data: Dataset,
        table: SemanticIdTable,
        seed: int = 0,
        device: str = "cpu",
        config: TigerConfig | None = None,
    ) -> Tiger:
        """Train on the train split; the best look at the valid split is kept.

        Args:
            data: Prepared data.
            table: Semantic IDs of its whole catalogue.
            seed: Of weights, order, dropout and the users asked in validation.
            device: Where to train and to answer.
            config: Settings; None: the defaults.

        Raises:
            DataError: An item has no ID, or nobody has two train events.
        """
        config = config or TigerConfig()
        events = data.interactions("train")
        row_of = np.array([table.index_of(item.item_id) for item in data.items])
        samples = Samples.of(events.user_index, row_of[events.item_index], config.max_items)
        if not len(samples):
            raise DataError(
                f"nobody in {data.path} has two train events; there is nothing to learn"
            )
        paths = code_tokens(table.codes, table.codebook_size)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            vocabulary_size = FIRST_CODE + table.num_levels * table.codebook_size
            model: Any = build_model(config, vocabulary_size)
            model.to(device)
            trie = DeviceTrie.from_trie(Trie.build(paths), device)
            by_id = {item.item_id: item for item in data.items}
            items = [by_id.get(item_id, Item(item_id)) for item_id in table.item_ids]
            tiger = cls(items, table, model, trie, config)
            questions = sample_questions(data, config.validation_users, seed)
            narrow = config.model_copy(update={"num_beams": config.validation_beams})
            asked = replace(tiger, config=narrow)
            curve = train(
                model, samples, paths, config, seed,
                (lambda: measure_ndcg(asked, questions, data)) if questions else None,
            )  # fmt: skip
        return replace(tiger, curve=tuple(curve))

    @property
    def provenance(self) -> dict[str, dict[str, str]]:
        """See ``genrec.evaluate.provenance``: weights from train, the best of them by valid."""
        selected = {"selection": {"upto": "valid"}} if self.config.validation_users else {}
        return {"behaviour": {"upto": "train"}, **selected}

    @property
    def settings(self) -> dict[str, Any]:
        """Its configuration as plain JSON."""
        return self.config.model_dump(mode="json")

    @property
    def num_beams(self) -> int:
        """Width of the search."""
        return self.config.num_beams

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank items for each request, as ``schema.Ranker`` promises.

        The moment and kind of act asked for are not used; items without an ID are passed over.
        """
        histories = [self._history(request) for request in requests]
        answers: list[list[Recommendation]] = [[] for _ in requests]
        for numbers in batch_by_length(
            [len(history) for history in histories], max_size=_REQUESTS_AT_ONCE
        ):
            input_ids, mask = lay_out(
                [histories[number] for number in numbers],
                code_tokens(self.table.codes, self.table.codebook_size),
            )
            device = self.model.device
            leaves, scores, _ = search(
                self.model,
                input_ids.to(device),
                mask.to(device),
                self.trie,
                max(k, self.config.num_beams),
                self._constraint([requests[number] for number in numbers]),
            )
            for number, rows, nats in zip(
                numbers, leaves[:, :k].tolist(), scores[:, :k].tolist(), strict=True
            ):
                found = [(row, score) for row, score in zip(rows, nats, strict=True) if row >= 0]
                answers[number] = [
                    self._recommendation(row, rank, score)
                    for rank, (row, score) in enumerate(found, start=1)
                ]
        return answers

    def _history(self, request: Request) -> np.ndarray:
        known = self._rows([event.item_id for event in request.history.events])
        return np.array(known[-self.config.max_items :], dtype=np.int64)

    def _rows(self, item_ids: Sequence[str]) -> list[int]:
        table = self.table
        return [table.index_of(item_id) for item_id in item_ids if table.knows(item_id)]

    def _constraint(self, requests: Sequence[Request]) -> Constraint | None:
        excluded, within = [], []
        shared: dict[int, np.ndarray] = {}
        for request in requests:
            excluded.append(np.array(self._rows([*request.forbidden]), dtype=np.int64))
            candidates = request.candidates
            if candidates is not None and id(candidates) not in shared:
                shared[id(candidates)] = self.table.candidate_rows(candidates)
            within.append(None if candidates is None else shared[id(candidates)])
        return Constraint.build(self.trie, excluded, within)

    def _recommendation(self, row: int, rank: int, score: float) -> Recommendation:
        item = self.items[row]
        codes = tuple(int(code) for code in self.table.codes[row])
        return Recommendation(item.item_id, rank, score, item.title, codes)
