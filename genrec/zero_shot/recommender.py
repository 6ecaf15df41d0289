"""Recommendations and interests from a chat model that was not tuned, as a ``schema.Ranker``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

from genrec.artifacts import check_parent
from genrec.base_recommender import BaseRecommender
from genrec.data import Dataset
from genrec.errors import ConfigError, EngineUnavailable
from genrec.interests.explain.deletion import Explanation
from genrec.interests.summary.check import Summary
from genrec.schema import MIN_EVIDENCE, History, Item, Recommendation, Request
from genrec.semantic_ids.build import IndexConfig, build_table
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.candidates import Retriever
from genrec.zero_shot.chat import ChatError, ChatModel
from genrec.zero_shot.config import ChatOptions, ZeroShotConfig
from genrec.zero_shot.connect import connect_chat
from genrec.zero_shot.event_loop import EventLoop, gather_answers
from genrec.zero_shot.few_shot import ExamplePool
from genrec.zero_shot.open_ended import OpenRecommender, TitleIndex
from genrec.zero_shot.position_bias import PositionBias
from genrec.zero_shot.prompts import PromptWriter
from genrec.zero_shot.ranking import CandidateRanker
from genrec.zero_shot.ratings import RatingPrediction, RatingPredictor, find_scale
from genrec.zero_shot.summary import Summarizer
from genrec.zero_shot.usage import Usage


class ZeroShotRecommender(BaseRecommender):
    """A chat model over a prepared data set; has the methods of ``genrec.Recommender``."""

    name = "zero-shot"
    tilts_interests = False

    def __init__(
        self,
        model: ChatModel,
        data: Dataset,
        table: SemanticIdTable,
        config: ZeroShotConfig | None = None,
        loop: EventLoop | None = None,
        raises: bool = False,
    ) -> None:
        """Fit the retrieval on the train split.

        Args:
            model: The chat model.
            data: Prepared data.
            table: Interest names and the text encoder; built on ``data``.
            config: See ``ZeroShotConfig``.
            loop: The one ``model`` was connected in; None: a new one.
            raises: Whether a request without an answer raises ``EngineUnavailable``; otherwise it
                gets an empty list and is counted.

        Raises:
            ConfigError: The model does not support ``method``.
        """
        self.config = config or ZeroShotConfig()
        self.bias = PositionBias()
        super().__init__(data)
        self._model, self.table = model, table
        self._loop = loop or EventLoop()
        self._raises = raises
        self._retriever = Retriever(data, table, self.config.sources)
        self._writer = PromptWriter(
            lambda item_id: self._entries.get(item_id),
            self.config.review_chars,
            self.config.title_chars,
        )
        self._example_pool = (
            ExamplePool.fit(data, self.config.seed) if self.config.examples else ExamplePool(())
        )
        self._titles: TitleIndex | None = None
        self._scale: list[float] | None = None
        self.method = self.config.method
        if self.method == "auto":
            self.method = "logprob" if model.can_score else "generate"
        if self.method == "logprob" and not model.can_score:
            raise ConfigError(
                f"'{model.name}' does not return the log-probabilities of given tokens (vLLM "
                "and local models do); set method=generate"
            )
        self.provenance = self._retriever.provenance

    @classmethod
    def load(
        cls,
        model: str,
        data: Path | str,
        config: ZeroShotConfig | None = None,
        index: Path | str | None = None,
        **options: Unpack[ChatOptions],
    ) -> Self:
        """Connect to a URL, or load a model by name or folder.

        Args:
            model: URL of an OpenAI-compatible server, or a folder or Hugging Face name.
            data: Prepared data.
            config: See ``ZeroShotConfig``.
            index: Semantic-ID table built on ``data``, for the names of interests; None makes
                one in memory.
            **options: See ``ChatOptions``.

        Raises:
            ConfigError: The model cannot be loaded, or the server refuses.
            EngineUnavailable: Nothing answers at the URL.
            ArtifactError: Data or index are missing, damaged or do not match.
        """
        config = config or ZeroShotConfig()
        prepared = Dataset.load(data)
        loop = EventLoop()
        chat = connect_chat(model, config, loop, **options)
        if index is None:
            table = build_table(prepared, IndexConfig())
        else:
            check_parent(Path(index), "data", prepared.path)
            table = SemanticIdTable.load(Path(index))
        return cls(chat, prepared, table, config, loop, options.get("raises", False))

    @property
    def usage(self) -> Usage:
        """Requests, tokens and failures so far."""
        return self._model.usage

    @property
    def model_name(self) -> str:
        """Name of the chat model."""
        return self._model.name

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker.rank_many``.

        The candidates come first, as the model ranks them; retrieval fills the remaining ranks. A
        request without a usable answer gets an empty list and is counted; retrieval never
        replaces the model.
        """
        return self._answer(requests, k, self._raises)

    def explain_many(self, questions: Sequence[tuple[Request, str]]) -> list[Explanation]:
        """Refuse: a chat model's probabilities cannot be compared between prompts."""
        raise ConfigError(
            "a zero-shot model gives no comparable probabilities, so there is nothing to "
            "explain by; give a run (--run)"
        )

    def interests_many(
        self, histories: Sequence[History], min_evidence: int = MIN_EVIDENCE
    ) -> list[Summary]:
        """See ``BaseRecommender.interests_many``.

        Raises:
            EngineUnavailable: The model gave no usable answer for one of them.
        """
        asker = Summarizer(
            self._model, self._writer, self.table, self.config.answer_tokens, min_evidence
        )

        async def summarize(history: History) -> Summary:
            with self._counted():
                return await asker.summarize(history)

        try:
            return self._run(histories, summarize, "interests")
        except ChatError as error:
            raise self._unavailable(error) from None

    def next_interests_many(
        self, histories: Sequence[History], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """Return the interests expected next: the candidates' probabilities, summed by interest.

        Empty if the method gives no probabilities or the model gave no answer.
        """
        if self.method != "logprob":
            return [[] for _ in histories]
        requests = [Request(history) for history in histories]
        expected = []
        for answer in self._answer(requests, self.config.num_candidates, self._raises):
            shares: dict[str, float] = {}
            for found in answer:
                name = self.table.name_of(found.semantic_id[:1])
                shares[name] = shares.get(name, 0.0) + math.exp(found.score)
            ranked = sorted(shares.items(), key=lambda pair: -pair[1])
            expected.append(ranked[:top])
        return expected

    def predict_ratings(
        self, questions: Sequence[tuple[History, Item]]
    ) -> list[RatingPrediction | None]:
        """Return how each history's user would rate an item; None where there was no answer."""
        if self._scale is None:
            self._scale = find_scale(self._data)
        predictor = RatingPredictor(self._model, self._writer, self._scale)

        async def predict(question: tuple[History, Item]) -> RatingPrediction | None:
            try:
                with self._counted():
                    return await predictor.predict(*question)
            except ChatError:
                return None

        return self._run(questions, predict, "ratings")

    def _prompt(self, request: Request) -> tuple[str, int]:
        """Return the chat, before events are cut, and its number of tokens."""
        items = self._candidates([request])[0]
        examples = self._example_pool.draw(request, self.config.examples)
        titles = self._writer.titles(items)
        chat = self._writer.choose(request, titles, examples)(request.history.events)
        text = "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in chat)
        return text, self._loop.run(self._model.count_tokens(chat))

    @property
    def adapters(self) -> list[str]:
        """None: nothing was tuned."""
        return []

    @property
    def adapter(self) -> str | None:
        """None: nothing was tuned."""
        return None

    def load_adapter(self, name: str, path: Path | str) -> None:
        """Refuse: a stock model has no adapters of ours."""
        raise ConfigError(f"adapter '{name}' at {path}: a zero-shot model takes none; serve a run")

    def use_adapter(self, name: str | None) -> None:
        """Refuse any but none."""
        if name is not None:
            raise ConfigError(f"no adapter '{name}': a zero-shot model takes none; serve a run")

    def drop_adapter(self, name: str) -> None:
        """Refuse: there is none."""
        raise ConfigError(f"no adapter '{name}': a zero-shot model takes none; serve a run")

    def report(self) -> dict[str, Any]:
        """Return usage, failures and position bias as plain JSON."""
        return {
            "model": self.model_name,
            "method": self.method,
            "num_candidates": self.config.num_candidates,
            "orders": self.config.orders,
            "examples": self.config.examples,
            "usage": self.usage.to_json(),
            "position_bias": self.bias.to_json(),
        }

    def ping(self) -> None:
        """Check that the model's server is reachable; costs no tokens.

        Raises:
            EngineUnavailable: It does not answer.
        """
        try:
            self._loop.run(self._model.ping())
        except ChatError as error:
            raise self._unavailable(error) from None

    def close(self) -> None:
        """Close the connections, the cache and the thread."""
        self._loop.run(self._model.close())
        self._loop.stop()

    def _answer(
        self, requests: Sequence[Request], k: int, raises: bool = True
    ) -> list[list[Recommendation]]:
        """Rank; with method "open" there are as many items as the model named that exist."""
        if self._removed:
            requests = [replace(one, exclude=one.exclude | self._removed) for one in requests]
        if any(request.interest_bias or request.turned for request in requests):
            raise ConfigError(
                "a zero-shot model's odds cannot be tilted; give a run (--run), or ask as of a "
                "moment or without an event, which works here too"
            )
        questions = list(zip(requests, self._candidates(requests), strict=True))
        ranker = CandidateRanker(
            self._model,
            self._writer,
            self.bias,
            "generate" if self.method == "generate" else "logprob",
            self.config.orders,
            self.config.seed,
            self.config.answer_tokens,
        )

        async def answer(question: tuple[Request, list[Item]]) -> list[Recommendation]:
            request, items = question
            examples = self._example_pool.draw(request, self.config.examples)
            try:
                with self._counted():
                    if self.method == "open":
                        ranked = await self._open().recommend(request, items, max(k, 1), examples)
                    else:
                        ranked = await ranker.rank(request, items, examples)
            except ChatError as error:
                if raises:
                    raise self._unavailable(error) from None
                return []
            return self._to_list(request, ranked, k)

        return self._run(questions, answer, self.name)

    def _to_list(
        self, request: Request, ranked: Sequence[tuple[Item, float]], k: int
    ) -> list[Recommendation]:
        found = [(item.item_id, score) for item, score in ranked][:k]
        if self.method != "open" and len(found) < k:
            last = found[-1][1] if found else 0.0
            rest = self._retriever.fill(request, [item_id for item_id, _ in found], k)
            found += [(item_id, last - place) for place, item_id in enumerate(rest, start=1)]
        return [
            Recommendation(
                item_id, rank, score, self.item(item_id).label, self.table.codes_of(item_id)
            )
            for rank, (item_id, score) in enumerate(found, start=1)
        ]

    def _candidates(self, requests: Sequence[Request]) -> list[list[Item]]:
        lists = self._retriever.find(requests, self.config.num_candidates)
        return [[self.item(item_id) for item_id in one] for one in lists]

    def _open(self) -> OpenRecommender:
        if self._titles is None:
            self._titles = TitleIndex(self.items)
        return OpenRecommender(self._model, self._writer, self._titles, self.config.answer_tokens)

    def _take(self, table: SemanticIdTable) -> None:
        self.table, self._titles = table, None

    def rewrite_items(self, items: Sequence[Item]) -> None:
        """See ``BaseCatalogue.rewrite_items``."""
        super().rewrite_items(items)
        self._retriever.rewrite_items(items)

    def _grow(self, table: SemanticIdTable, items: Sequence[Item]) -> None:
        super()._grow(table, items)
        self._retriever.add_items(items)

    def _run(self, questions: Sequence[Any], answer: Any, what: str) -> list[Any]:
        concurrency = 2 * self.config.concurrency
        return self._loop.run(gather_answers(questions, answer, concurrency, what, self._note))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count one requested answer, and whether it failed."""
        self.usage.tasks += 1
        try:
            yield
        except ChatError:
            self.usage.failed_tasks += 1
            raise

    def _note(self) -> str:
        usage = self.usage
        tokens = usage.prompt_tokens + usage.answer_tokens
        parts = [f"{tokens:,} tokens", f"{usage.cached:,} cached", f"{usage.failed:,} failed"]
        return " · ".join(parts)

    def _unavailable(self, error: ChatError) -> EngineUnavailable:
        return EngineUnavailable(
            f"'{self.model_name}' gave no usable answer ({error}); ask again later"
        )
