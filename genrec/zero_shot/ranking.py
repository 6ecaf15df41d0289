"""Candidates in the order a chat model gives them: by log-probability, or by writing them down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genrec.schema import Item, Request
from genrec.zero_shot.bias import PositionBias
from genrec.zero_shot.chat import ChatModel, Failed
from genrec.zero_shot.prompts import PromptWriter, Shot, fit
from genrec.zero_shot.repair import ask_json, list_form, read_list

Method = Literal["logprob", "generate"]


@dataclass(frozen=True)
class CandidateRanker:
    """Ranks candidates.

    Attributes:
        model: Whom to ask.
        writer: Renders the prompts.
        bias: Notes how ranks follow places.
        method: "logprob": of each candidate's title as the answer; "generate": a JSON list held
            to the titles.
        orders: Orders in which each request's candidates are shown; their rankings are averaged.
        seed: Of the orders.
        answer_tokens: Room for the answer.
    """

    model: ChatModel
    writer: PromptWriter
    bias: PositionBias
    method: Method = "logprob"
    orders: int = 1
    seed: int = 0
    answer_tokens: int = 512

    async def rank(
        self, request: Request, items: Sequence[Item], shots: Sequence[Shot] = ()
    ) -> list[tuple[Item, float]]:
        """Return all candidates with their scores, best first.

        Scores are mean log-probabilities in nats, or for "generate" minus the mean rank. Of equal
        scores the earlier candidate comes first.

        Raises:
            Failed: An order got no answer; counted in the model's usage.
            PromptError: The candidates alone do not fit.
        """
        if len(items) < 2:
            return [(item, 0.0) for item in items]
        titles = self.writer.titles(items)
        scored, ranks, shown_ranks = [], [], []
        for number in range(self.orders):
            order = self._order(request, len(items), number)
            shown = [titles[place] for place in order]
            ask = self._score if self.method == "logprob" else self._write
            scores = np.empty(len(items))
            scores[order] = await ask(request, shown, shots)
            scored.append(scores)
            ranks.append(_ranks(scores))
            shown_ranks.append(ranks[-1][order])
        self.bias.note(shown_ranks)
        for first, second in zip(ranks, ranks[1:], strict=False):
            self.bias.note_agreement(first, second)
        mean = np.mean(scored, axis=0)
        best = np.argsort(-mean, kind="stable")
        return [(items[place], float(mean[place])) for place in best]

    async def _score(
        self, request: Request, shown: Sequence[str], shots: Sequence[Shot]
    ) -> np.ndarray:
        room = await self._room(max(len(title.encode()) for title in shown) + 8)
        build = self.writer.choose(request, shown, shots)
        who = f"the prompt of user '{request.history.user_id}'"
        chat = await fit(build, request.history.events, room, self.model.count_tokens, who)
        return await self.model.score(chat, shown)

    async def _write(
        self, request: Request, shown: Sequence[str], shots: Sequence[Shot]
    ) -> np.ndarray:
        room = await self._room(self.answer_tokens)
        build = self.writer.rank(request, shown, len(shown), shots)
        who = f"the prompt of user '{request.history.user_id}'"
        chat = await fit(build, request.history.events, room, self.model.count_tokens, who)
        named = await ask_json(
            self.model,
            chat,
            list_form("ranking", "ranking", shown, len(shown)),
            read_list("ranking"),
            self.answer_tokens,
            self.writer.repair,
        )
        return self._read_names(named, shown)

    def _read_names(self, named: Sequence[str], shown: Sequence[str]) -> np.ndarray:
        """Return minus the rank of each shown title; those not named share the last place."""
        dropped = self.model.usage.dropped
        places = {title: place for place, title in enumerate(shown)}
        kept: dict[int, None] = {}
        for title in named:
            if title not in places:
                dropped["not a candidate"] += 1
            elif places[title] in kept:
                dropped["named twice"] += 1
            else:
                kept[places[title]] = None
        if not kept:
            self.model.usage.failures["no candidate named"] += 1
            raise Failed("no candidate named", repr(list(named)[:3]))
        scores = np.full(len(shown), -float(len(kept) + 1))
        scores[list(kept)] = -np.arange(1.0, len(kept) + 1)
        self.model.usage.dropped["candidates not named"] += len(shown) - len(kept)
        return scores

    async def _room(self, answer_tokens: int) -> int:
        context = await self.model.context_tokens()
        return context - min(answer_tokens, context // 2)

    def _order(self, request: Request, count: int, number: int) -> np.ndarray:
        """Return a random order; the same for the same question."""
        about = f"{self.seed}\0{number}\0{request.history.user_id}\0{len(request.history.events)}"
        digest = hashlib.sha256(about.encode(errors="replace")).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big")).permutation(count)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Return the rank, 0 the best, of each candidate; equal ones share theirs. Shape: (N,)."""
    _, inverse, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return (starts + (counts - 1) / 2)[inverse]
