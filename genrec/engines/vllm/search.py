"""Constrained beam search beside vLLM's engine: one answer for a client's one request.

Enters: prompts that end where an item is written, filters, an engine client. Leaves: rows and
scores. The rule of scores is ``genrec.decode.scores``: probabilities are renormalised over the
children a node has left, so a beam with one child costs nothing.

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
from typing import Any, NamedTuple

import torch
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams

from genrec.decode.bias import Tilt
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, find_inner
from genrec.decode.fusion import Guide
from genrec.decode.trie import ROOT
from genrec.engines.grammar import Grammar, Walk
from genrec.engines.prefix_bias import make_tilt
from genrec.engines.vllm.masking import Writer
from genrec.engines.vllm.processor import SEARCH
from genrec.engines.vllm.served import Catalogue
from genrec.errors import DecodeError


class Found(NamedTuple):
    """Items of one prompt, best first.

    Attributes:
        rows: Rows of the table.
        scores: Summed log-probabilities, nats.
    """

    rows: list[int]
    scores: list[float]


class _Beam(NamedTuple):
    score: float
    node: int
    path: tuple[int, ...]


class _Choice(NamedTuple):
    """What a beam may go on with.

    Attributes:
        nodes: Of each allowed token.
        learned: Those of the tokens that training met.
    """

    nodes: dict[int, int]
    learned: list[int]


class _Steer(NamedTuple):
    """What besides the causal LM has a say: filters, second opinion, tilt; each may be absent."""

    constraint: Constraint | None = None
    guide: Guide | None = None
    tilt: Tilt | None = None


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
        self, prompts: Sequence[list[int]], writers: Sequence[Writer], num_beams: int, lora: Any
    ) -> list[Found]:
        """Return the best items of each prompt, ``num_beams`` or what its filters leave.

        Raises:
            DecodeError: A prompt does not end where an item is written, or is too long.
        """
        self._check(prompts, writers)
        return await _all(
            self._items_of(prompt, writer, num_beams, lora)
            for prompt, writer in zip(prompts, writers, strict=True)
        )

    async def scores(
        self,
        prompts: Sequence[list[int]],
        writers: Sequence[Writer],
        rows: Sequence[list[int]],
        lora: Any,
    ) -> list[list[float]]:
        """Return the scores of given rows after each prompt; -inf for those its filters forbid.

        Raises:
            DecodeError: A prompt does not end where an item is written, or is too long.
        """
        self._check(prompts, writers)
        return await _all(
            self._scores_of(prompt, writer, wanted, lora)
            for prompt, writer, wanted in zip(prompts, writers, rows, strict=True)
        )

    async def log_probs(
        self, prompts: Sequence[list[int]], granted: list[int], catalogue: Catalogue, lora: Any
    ) -> list[dict[int, float]]:
        """Return the log-probability of every token that may follow prompt and granted tokens.

        Raises:
            DecodeError: No item begins with the granted tokens.
        """
        choice = _choices(catalogue.trie, [find_inner(catalogue.trie, granted)])[0]
        return await _all(
            self._log_probs_of(prompt, granted, choice, catalogue, lora) for prompt in prompts
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

    def _check(self, prompts: Sequence[list[int]], writers: Sequence[Writer]) -> None:
        for prompt, writer in zip(prompts, writers, strict=True):
            if not prompt or prompt[-1] != writer.catalogue.base.opening:
                raise DecodeError("a prompt must end with the token that opens an item")
            if len(prompt) + writer.catalogue.trie.num_levels > self._max_tokens:
                raise DecodeError(
                    f"a prompt of {len(prompt)} tokens leaves no room for an item in the model's "
                    f"{self._max_tokens}; shorten the history"
                )

    async def _items_of(
        self, prompt: list[int], writer: Writer, num_beams: int, lora: Any
    ) -> Found:
        async with self._turns:
            trie = writer.catalogue.trie
            steer = _steer(writer, prompt)
            beams = [_Beam(0.0, ROOT, ())]
            for _ in range(trie.num_levels):
                choices = _choices(trie, [beam.node for beam in beams], steer.constraint)
                beams = await self._grow(prompt, beams, choices, num_beams, lora, steer)
            # Equal scores stand in the order of their paths, in which beams are kept.
            beams = sorted(beams, key=lambda beam: -beam.score)
            leaves = trie.leaves(torch.tensor([beam.node for beam in beams], dtype=torch.int64))
            return Found(leaves.tolist(), [beam.score for beam in beams])

    async def _scores_of(
        self, prompt: list[int], writer: Writer, rows: list[int], lora: Any
    ) -> list[float]:
        async with self._turns:
            trie = writer.catalogue.trie
            steer = _steer(writer, prompt)
            lineages = trie.lineage(torch.tensor(rows, dtype=torch.int64)).tolist()
            paths = writer.catalogue.base.vocabulary.paths(writer.catalogue.codes[rows]).tolist()
            # Rows that share a part of their paths share its questions.
            before = {
                node: path[:level]
                for lineage, path in zip(lineages, paths, strict=True)
                for level, node in enumerate(lineage[:-1])
            }
            choices = dict(zip(before, _choices(trie, list(before), steer.constraint), strict=True))
            answers = await _all(
                self._weigh([*prompt, *before[node]], choice, len(choice.learned), lora, steer)
                for node, choice in choices.items()
            )
            weighed = dict(zip(before, answers, strict=True))
            return [
                sum(
                    weighed[node].get(token, -math.inf)
                    for node, token in zip(lineage[:-1], path, strict=True)
                )
                for lineage, path in zip(lineages, paths, strict=True)
            ]

    async def _grow(
        self,
        prompt: list[int],
        beams: list[_Beam],
        choices: list[_Choice],
        num_beams: int,
        lora: Any,
        steer: _Steer,
    ) -> list[_Beam]:
        """Return the best children of the beams, in the order of their paths.

        Args:
            prompt: Tokens.
            beams: In the order of their paths.
            choices: What each may go on with.
            num_beams: How many to keep.
            lora: The adapter.
            steer: What else has a say.
        """
        answers = await _all(
            self._weigh([*prompt, *beam.path], choice, num_beams, lora, steer)
            for beam, choice in zip(beams, choices, strict=True)
        )
        grown = [
            _Beam(beam.score + log_prob, choice.nodes[token], (*beam.path, token))
            for beam, choice, answer in zip(beams, choices, answers, strict=True)
            for token, log_prob in answer.items()
        ]
        best = sorted(grown, key=lambda beam: (-beam.score, beam.path))[:num_beams]
        return sorted(best, key=lambda beam: beam.path)

    async def _log_probs_of(
        self,
        prompt: list[int],
        granted: list[int],
        choice: _Choice,
        catalogue: Catalogue,
        lora: Any,
    ) -> dict[int, float]:
        async with self._turns:
            steer = _steer(Writer(catalogue), prompt)
            tokens = [*prompt, *granted]
            return await self._weigh(tokens, choice, len(choice.learned), lora, steer)

    async def _weigh(
        self,
        tokens: list[int],
        choice: _Choice,
        num_best: int,
        lora: Any,
        steer: _Steer,
    ) -> dict[int, float]:
        """Return log-probabilities of a choice's tokens by the rule of scores.

        Returns:
            At least the ``num_best`` likeliest of those that training met, and all others.
        """
        count, learned, guide = len(choice.nodes), choice.learned, steer.guide
        nats = _nats(choice, steer.tilt)
        if not count:
            return {}
        weighed = dict.fromkeys(choice.nodes.keys() - learned, -math.log(count))
        if len(learned) > 1:
            # A second opinion or a tilt may lift any of them, so all are asked for.
            is_led = guide is not None or nats
            wanted = len(learned) if is_led else min(num_best, len(learned))
            answer = await self._ask(tokens, learned, wanted, lora)
            if guide is not None:
                answer = _pool(answer, choice, guide)
        else:
            answer = dict.fromkeys(learned, 0.0)
        share = math.log(len(learned) / count) if learned else 0.0
        weighed |= {token: log_prob + share for token, log_prob in answer.items()}
        return _tilted(weighed, nats) if nats else weighed

    async def _text_of(
        self, prompt: list[int], grammar: Grammar, max_tokens: int, lora: Any
    ) -> list[int]:
        async with self._turns:
            walk, written = Walk(grammar), list[int]()
            room = min(max_tokens, self._max_tokens - len(prompt))
            while len(written) < room and (allowed := walk.allowed):
                if len(allowed) > 1:
                    answer = await self._ask([*prompt, *written], allowed, 1, lora)
                    allowed = [max(answer, key=lambda token: answer[token])]
                walk.write(allowed[0])
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


def _steer(writer: Writer, prompt: list[int]) -> _Steer:
    catalogue = writer.catalogue
    constraint = None
    if len(writer.exclude) or writer.candidates is not None:
        constraint = Constraint.build(catalogue.trie, [writer.exclude], [writer.candidates])
    guide = None
    if catalogue.guide is not None:
        guide = catalogue.guide.guide(torch.tensor([prompt]), constraint)
    tilt = make_tilt(catalogue.trie, catalogue.base.vocabulary, [writer.tilt])
    return _Steer(constraint, guide, tilt)


def _nats(choice: _Choice, tilt: Tilt | None) -> dict[int, float]:
    """Return what is added to the log-odds of a choice's tokens; empty where nothing is."""
    if tilt is None:
        return {}
    added = tilt.at(torch.tensor([list(choice.nodes.values())]))[0].tolist()
    return {token: nats for token, nats in zip(choice.nodes, added, strict=True) if nats}


def _tilted(weighed: dict[int, float], nats: dict[int, float]) -> dict[int, float]:
    """Add nats to log-probabilities and normalise them again."""
    odds = torch.tensor([value + nats.get(token, 0.0) for token, value in weighed.items()])
    return dict(zip(weighed, odds.log_softmax(dim=0).tolist(), strict=True))


def _pool(answer: dict[int, float], choice: _Choice, guide: Guide) -> dict[int, float]:
    """Pool the log-probabilities of a choice's learned tokens with a second opinion."""
    tokens = choice.learned
    log_probs = torch.tensor([[answer.get(token, -math.inf) for token in tokens]])
    nodes = torch.tensor([[choice.nodes[token] for token in tokens]])
    pooled = guide.mix(log_probs, nodes).log_softmax(dim=-1)[0].tolist()
    return {token: value for token, value in zip(tokens, pooled, strict=True) if value > -math.inf}


def _choices(
    trie: DeviceTrie, nodes: list[int], constraint: Constraint | None = None
) -> list[_Choice]:
    children, tokens, allowed = trie.expand(torch.tensor([nodes], dtype=torch.int64), constraint)
    learned = allowed & trie.learned_at(children)
    parts = (part[0].numpy() for part in (children, tokens, allowed, learned))
    return [
        _Choice(
            dict(zip(token[may].tolist(), child[may].tolist(), strict=True)), token[met].tolist()
        )
        for child, token, may, met in zip(*parts, strict=True)
    ]


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
