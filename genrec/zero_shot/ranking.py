"""Rank candidates with a chat model: by the log-probability of each, or by a generated list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from genrec.schema import Item, Request
from genrec.zero_shot.chat import ChatError, ChatModel
from genrec.zero_shot.json_answers import list_format, list_parser, request_json
from genrec.zero_shot.position_bias import PositionBias
from genrec.zero_shot.prompts import FewShotExample, PromptWriter, fit

Method = Literal["logprob", "generate"]


@dataclass(frozen=True)
class CandidateRanker:
    """Ranks candidates.

    Attributes:
        model: The chat model.
        writer: Renders the prompts.
        bias: Records how ranks depend on shown positions.
        method: "logprob": the log-probability of each title as the answer; "generate": a JSON list
            restricted to the titles.
        orders: Shuffles of the candidates that each request is asked with; scores are averaged.
        seed: Of the shuffles.
        answer_tokens: Maximum length of the answer.
    """

    model: ChatModel
    writer: PromptWriter
    bias: PositionBias
    method: Method = "logprob"
    orders: int = 1
    seed: int = 0
    answer_tokens: int = 512

    async def rank(
        self, request: Request, items: Sequence[Item], examples: Sequence[FewShotExample] = ()
    ) -> list[tuple[Item, float]]:
        """Return all candidates with their scores, best first.

        Scores are mean log-probabilities in nats, or for "generate" the negative mean rank. Ties
        keep the order of ``items``.

        Raises:
            ChatError: No usable answer for one of the orders; counted in ``usage``.
            PromptError: The candidates alone do not fit.
        """
        from scipy.stats import rankdata

        if len(items) < 2:
            return [(item, 0.0) for item in items]
        titles = self.writer.titles(items)
        scored, ranks, shown_ranks = [], [], []
        for round_index in range(self.orders):
            order = self._order(request, len(items), round_index)
            shown = [titles[index] for index in order]
            ask = self._score if self.method == "logprob" else self._generate
            scores = np.empty(len(items))
            scores[order] = await ask(request, shown, examples)
            scored.append(scores)
            ranks.append(rankdata(-scores) - 1)
            shown_ranks.append(ranks[-1][order])
        self.bias.record(shown_ranks)
        for first, second in pairwise(ranks):
            self.bias.record_agreement(first, second)
        mean = np.mean(scored, axis=0)
        best = np.argsort(-mean, kind="stable")
        return [(items[index], float(mean[index])) for index in best]

    async def _score(
        self, request: Request, shown: Sequence[str], examples: Sequence[FewShotExample]
    ) -> np.ndarray:
        longest = max(len(title.encode()) for title in shown) + 8
        build = self.writer.choose(request, shown, examples)
        chat = await fit(build, request.history, self.model, longest)
        return await self.model.score(chat, shown)

    async def _generate(
        self, request: Request, shown: Sequence[str], examples: Sequence[FewShotExample]
    ) -> np.ndarray:
        build = self.writer.rank(request, shown, len(shown), examples)
        chat = await fit(build, request.history, self.model, self.answer_tokens)
        named = await request_json(
            self.model,
            chat,
            list_format("ranking", "ranking", shown, len(shown)),
            list_parser("ranking"),
            self.answer_tokens,
            self.writer.repair,
        )
        return self._score_named(named, shown)

    def _score_named(self, named: Sequence[str], shown: Sequence[str]) -> np.ndarray:
        """Return the negative rank of each shown title; those not named share the last rank."""
        dropped = self.model.usage.dropped
        index_of = {title: index for index, title in enumerate(shown)}
        kept: dict[int, None] = {}
        for title in named:
            if title not in index_of:
                dropped["not a candidate"] += 1
            elif index_of[title] in kept:
                dropped["named twice"] += 1
            else:
                kept[index_of[title]] = None
        if not kept:
            self.model.usage.failures["no candidate named"] += 1
            raise ChatError("no candidate named", repr(list(named)[:3]))
        scores = np.full(len(shown), -float(len(kept) + 1))
        scores[list(kept)] = -np.arange(1.0, len(kept) + 1)
        self.model.usage.dropped["candidates not named"] += len(shown) - len(kept)
        return scores

    def _order(self, request: Request, count: int, round_index: int) -> np.ndarray:
        """Return a random order; always the same for the same question."""
        history = request.history
        key = f"{self.seed}\0{round_index}\0{history.user_id}\0{len(history.events)}"
        digest = hashlib.sha256(key.encode(errors="replace")).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big")).permutation(count)
