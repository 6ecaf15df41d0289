"""Constrained beam search beside vLLM's engine: one answer for a client's one request.

Enters: prompts that end where an item is written, filters, an engine client. Leaves: rows and
scores. The search is ``genrec.decode.search``; this is its scorer, which asks vLLM.

Each live beam that has a choice is one request for one token, of which only the children are
allowed and whose best log-probabilities come back. The prompt is computed once: the requests of a
user share it through vLLM's prefix cache. Text is written by the same means, token by token,
so that it is spelt in the tokens the model was trained on and costs no more than its choices.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams

from genrec.decode.device_trie import find_inner
from genrec.decode.policy import Policy
from genrec.decode.search import Search as SearchSteps
from genrec.decode.search import Step, beam_search, score_leaves
from genrec.engines.grammar import Grammar, GrammarState
from genrec.engines.policy import make_policy
from genrec.engines.vllm.masking import RowFilters
from genrec.engines.vllm.processor import SEARCH
from genrec.engines.vllm.served import Catalogue
from genrec.errors import DecodeError

R = TypeVar("R")


class Found(NamedTuple):
    """Items of one prompt, best first.

    Attributes:
        rows: Rows of the table.
        scores: Summed log-probabilities, nats.
    """

    rows: list[int]
    scores: list[float]


class Search:
    """Searches and writes on one engine client."""

    def __init__(self, engine: Any, key: str, max_tokens: int, users_at_once: int = 64) -> None:
        """Take an engine client.

        Args:
            engine: vLLM's ``EngineClient``, started with --logprobs-mode processed_logprobs and
                --max-logprobs -1.
            key: By which the processor knows that a request's tokens are chosen already.
            max_tokens: The model's longest sequence.
            users_at_once: Prompts worked on at a time; more would only wait in vLLM's queue.
        """
        self._engine, self._max_tokens = engine, max_tokens
        self._extra = {SEARCH: key}
        self._turns = asyncio.Semaphore(users_at_once)
        self._numbers = itertools.count()

    async def items(
        self,
        prompts: Sequence[list[int]],
        row_filters: Sequence[RowFilters],
        k: int,
        num_beams: int,
        lora: Any,
    ) -> list[Found]:
        """Return the ``k`` best items of each prompt, or what its filters leave.

        Raises:
            DecodeError: A prompt does not end where an item is written, or is too long.
        """
        self._check(prompts, row_filters)
        return await _all(
            self._items_of(prompt, filters, k, num_beams, lora)
            for prompt, filters in zip(prompts, row_filters, strict=True)
        )

    async def scores(
        self,
        prompts: Sequence[list[int]],
        row_filters: Sequence[RowFilters],
        rows: Sequence[list[int]],
        lora: Any,
    ) -> list[list[float]]:
        """Return the scores of given rows after each prompt; -inf for those its filters forbid.

        Raises:
            DecodeError: A prompt does not end where an item is written, or is too long.
        """
        self._check(prompts, row_filters)
        return await _all(
            self._scores_of(prompt, filters, wanted, lora)
            for prompt, filters, wanted in zip(prompts, row_filters, rows, strict=True)
        )

    async def log_probs(
        self, prompts: Sequence[list[int]], forced: list[int], catalogue: Catalogue, lora: Any
    ) -> list[dict[int, float]]:
        """Return the log-probability of every token that may follow prompt and forced tokens.

        Raises:
            DecodeError: No item begins with the forced tokens.
        """
        node = find_inner(catalogue.trie, forced)
        return await _all(
            self._log_probs_of(prompt, forced, node, catalogue, lora) for prompt in prompts
        )

    async def texts(
        self,
        prompts: Sequence[list[int]],
        grammars: Sequence[Grammar],
        max_tokens: int,
        lora: Any,
    ) -> list[list[int]]:
        """Continue each prompt greedily with a text of its grammar."""
        return await _all(
            self._text_of(prompt, grammar, max_tokens, lora)
            for prompt, grammar in zip(prompts, grammars, strict=True)
        )

    def _check(self, prompts: Sequence[list[int]], row_filters: Sequence[RowFilters]) -> None:
        for prompt, filters in zip(prompts, row_filters, strict=True):
            if not prompt or prompt[-1] != filters.catalogue.base.opening:
                raise DecodeError("a prompt must end with the token that opens an item")
            if len(prompt) + filters.catalogue.trie.num_levels > self._max_tokens:
                raise DecodeError(
                    f"a prompt of {len(prompt)} tokens leaves no room for an item in the model's "
                    f"{self._max_tokens}; shorten the history"
                )

    async def _items_of(
        self, prompt: list[int], filters: RowFilters, k: int, num_beams: int, lora: Any
    ) -> Found:
        async with self._turns:
            policy = _policy(filters, prompt)
            # Fusion or a bias may raise any child, so all are asked for.
            is_plain = policy.fusion is None and policy.bias is None
            search = beam_search(policy, 1, num_beams, k)
            beams = await self._run(search, prompt, num_beams if is_plain else None, lora)
            kept = beams.leaves[0] >= 0
            return Found(beams.leaves[0, kept].tolist(), beams.scores[0, kept].tolist())

    async def _scores_of(
        self, prompt: list[int], filters: RowFilters, rows: list[int], lora: Any
    ) -> list[float]:
        async with self._turns:
            policy = _policy(filters, prompt)
            leaves = torch.tensor([rows], dtype=torch.int64)
            scores = await self._run(score_leaves(policy, leaves), prompt, None, lora)
            return scores[0].tolist()

    async def _log_probs_of(
        self, prompt: list[int], forced: list[int], node: int, catalogue: Catalogue, lora: Any
    ) -> dict[int, float]:
        async with self._turns:
            policy = _policy(RowFilters(catalogue), prompt)
            nodes = torch.tensor([[node]])
            children = policy.expand(nodes)
            paths = torch.tensor([[forced]], dtype=torch.int64)
            step = Step(nodes, paths, torch.zeros_like(nodes), children)
            log_probs = policy.apply(await self._logits(step, prompt, None, lora), children)
            return dict(zip(children.tokens[0, 0].tolist(), log_probs[0, 0].tolist(), strict=True))

    async def _run(
        self, search: SearchSteps[R], prompt: list[int], num_best: int | None, lora: Any
    ) -> R:
        """Carry a search out, asking vLLM at every step; see ``_logits``."""
        try:
            step = next(search)
            while True:
                step = search.send(await self._logits(step, prompt, num_best, lora))
        except StopIteration as finished:
            result: R = finished.value
            return result

    async def _logits(
        self, step: Step, prompt: list[int], num_best: int | None, lora: Any
    ) -> torch.Tensor:
        """Return the log-probabilities of the children of one prompt's beams.

        Beams with the same path share a request.

        Args:
            step: Of one row.
            prompt: Tokens.
            num_best: Likeliest children needed of a beam; None: all. The others share what is
                left of the probability, so none of them can come before these.
            lora: The adapter.
        """
        children = step.children
        logits = torch.zeros(children.tokens.shape)
        beams: dict[tuple[int, ...], list[int]] = {}
        for beam in children.has_choice[0].nonzero()[:, 0].tolist():
            beams.setdefault(tuple(step.paths[0, beam].tolist()), []).append(beam)
        masks = {path: children.scored[0, same[0]] for path, same in beams.items()}
        allowed = {
            path: children.tokens[0, beams[path][0], mask].tolist() for path, mask in masks.items()
        }
        answers = await _all(
            self._ask([*prompt, *path], tokens, min(num_best or len(tokens), len(tokens)), lora)
            for path, tokens in allowed.items()
        )
        for (path, same), answer in zip(beams.items(), answers, strict=True):
            tokens = allowed[path]
            left = max(1 - sum(math.exp(value) for value in answer.values()), 1e-30)
            other = math.log(left / max(len(tokens) - len(answer), 1))
            values = torch.tensor([answer.get(token, other) for token in tokens])
            for beam in same:
                logits[0, beam, masks[path]] = values
        return logits

    async def _text_of(
        self, prompt: list[int], grammar: Grammar, max_tokens: int, lora: Any
    ) -> list[int]:
        async with self._turns:
            state, written = GrammarState(grammar), list[int]()
            room = min(max_tokens, self._max_tokens - len(prompt))
            while len(written) < room and (allowed := state.allowed):
                if len(allowed) > 1:
                    answer = await self._ask([*prompt, *written], allowed, 1, lora)
                    allowed = [max(answer, key=lambda token: answer[token])]
                state.advance(allowed[0])
                written.append(allowed[0])
            return written

    async def _ask(
        self, tokens: list[int], allowed: list[int], num_best: int, lora: Any
    ) -> dict[int, float]:
        """Return the best allowed next tokens with log-probabilities normalised over ``allowed``.

        Returns:
            At least ``num_best`` of them, likeliest first but for the first one.
        """
        params = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprobs=num_best,
            flat_logprobs=True,
            allowed_token_ids=allowed,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
            extra_args=self._extra,
        )
        request_id = f"genrec-{next(self._numbers)}"
        async for output in self._engine.generate(
            tokens_input(tokens), params, request_id, lora_request=lora
        ):
            answer = output.outputs[0].logprobs
        best = dict(zip(answer.token_ids, answer.logprobs, strict=True))
        if not all(math.isfinite(log_prob) for log_prob in best.values()):
            best = {token: value for token, value in best.items() if math.isfinite(value)}
        if not best:
            raise DecodeError("the model gave no finite log-probability; its weights are damaged")
        return best


def _policy(filters: RowFilters, prompt: list[int]) -> Policy:
    catalogue = filters.catalogue
    head = catalogue.fusion.read(torch.tensor([prompt]))
    head = head.heeding([filters], catalogue.trie.place_of)
    return make_policy(catalogue.trie, catalogue.base.vocabulary, [filters], head)


async def _all(coroutines: Any) -> list[Any]:
    """Run coroutines at once; where one fails the others are cancelled, so no request is left."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
