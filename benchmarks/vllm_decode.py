"""Speed of our beam loop on vLLM against vLLM's own beam search, in process and over HTTP.

    python benchmarks/vllm_decode.py [--users 64] [--rounds 3] [--json FILE]

Runs where vLLM is installed (``make setup-vllm``), everything in one run on this machine: a
Qwen3-architecture model of 3.4 million parameters with random weights, 12,000 items of 3 x 256
codes, prompts of 90 tokens, 20 beams, float32. Every round asks with prompts never seen before,
so no engine finds them in its cache; each figure is the best of the rounds after one that only
warms up.

1. In process: our loop on vLLM's ``AsyncLLM``; vLLM's beam search of its API server on the same
   ``AsyncLLM``; and ``LLM.beam_search``, all users at once, with vLLM's own block size. Both of
   vLLM's run with our plugin, without which they would name items that do not exist.
2. Over HTTP: 16 clients at a time, POST /genrec/items against POST /v1/completions with
   ``use_beam_search``, on our server, and the latter with vLLM's own block size too.

vLLM's own block on CPUs is 128 tokens, longer than the prompts, so that its prefix cache finds
nothing; our server takes 16. Figures against both are given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from decode_speed import CODEBOOK_SIZE, FIRST_CODE, NUM_LEVELS, build_model, clustered_paths
from transformers import GenerationConfig, Qwen3ForCausalLM

from genrec.artifacts import write_aside
from genrec.engines.vllm.cpu_blocks import BLOCK, BLOCKS_VARIABLE
from genrec.engines.vllm.table_file import table_id
from genrec.model.base import save_model
from genrec.model.scratch import train_tokenizer
from genrec.model.vocabulary import add_vocabulary
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.templates import ITEM_MARKER

NUM_BEAMS, PROMPT_TOKENS, CLIENTS = 20, 90, 16
MAX_DIFFERENCE = 1e-3
OWN_BLOCK = 128
ENGINE = {
    "dtype": "float32",
    "block_size": BLOCK,
    "max_model_len": 256,
    "logprobs_mode": "processed_logprobs",
    "max_logprobs": -1,
    "generation_config": "vllm",
}
Answers = list[dict[tuple[int, ...], float]]
"""For each user the items found, as codes, with their scores."""


class World:
    """A base on disk, and prompts for it that no engine has seen."""

    def __init__(self, directory: Path) -> None:
        self.base = directory / "base"
        codes = clustered_paths(12_000) - FIRST_CODE - CODEBOOK_SIZE * np.arange(NUM_LEVELS)
        centroids = np.zeros((NUM_LEVELS, CODEBOOK_SIZE, 2), dtype=np.float32)
        item_ids = [f"item {row}" for row in range(len(codes))]
        self.table = SemanticIdTable(item_ids, codes.astype(np.int32), CODEBOOK_SIZE, centroids, {})
        self.table.save(directory / "index")
        tokenizer = train_tokenizer(["a word and another"] * 10, 300)
        self._text_tokens = len(tokenizer)
        add_vocabulary(tokenizer, self.table)
        config = build_model().config
        config.vocab_size = len(tokenizer)
        config.eos_token_id, config.bos_token_id = tokenizer.eos_token_id, None
        model = Qwen3ForCausalLM(config).eval()
        model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
        with write_aside(self.base) as scratch:
            parents = {"index": directory / "index"}
            save_model(scratch, self.base, "base", model, tokenizer, {}, parents)
        self.parameters = sum(weight.numel() for weight in model.parameters())
        self.opening = tokenizer.convert_tokens_to_ids(ITEM_MARKER)
        vocabulary = tokenizer.get_vocab()
        self.code_of = {
            vocabulary[f"<{'abc'[level]}_{code}>"]: code
            for level in range(NUM_LEVELS)
            for code in range(CODEBOOK_SIZE)
        }
        self._generator = np.random.default_rng(0)

    def prompts(self, users: int) -> list[list[int]]:
        """Return prompts that were never asked before."""
        shape = (users, PROMPT_TOKENS - 1)
        rows = self._generator.integers(20, self._text_tokens, shape).tolist()
        return [[*row, self.opening] for row in rows]

    def by_codes(self, rows: list[int], scores: list[float]) -> dict[tuple[int, ...], float]:
        """Return one answer of ours."""
        paths = map(tuple, self.table.codes[rows].tolist())
        return dict(zip(paths, scores, strict=True))

    def of_tokens(self, beams: list[tuple[list[int], float]]) -> dict[tuple[int, ...], float]:
        """Return one answer of vLLM's."""
        return {
            tuple(self.code_of[token] for token in tokens[-NUM_LEVELS:]): score
            for tokens, score in beams
        }


def best_speed(
    name: str, ask: Callable[[list[list[int]]], Answers], world: World, users: int, rounds: int
) -> float:
    """Return users per second in the best round; the first only warms up."""
    taken = []
    for _ in range(rounds + 1):
        prompts = world.prompts(users)
        start = time.perf_counter()
        ask(prompts)
        taken.append(time.perf_counter() - start)
    speed = users / min(taken[1:])
    print(f"{name:<58} {speed:>6.1f} users/s   rounds {[round(users / s, 1) for s in taken[1:]]}")
    return speed


def check_same(mine: Answers, theirs: Answers) -> float:
    """Return the largest difference of scores; fail where other items were found.

    Items whose scores are as good as equal may stand on either side of the last beam.
    """
    largest = 0.0
    for one, other in zip(mine, theirs, strict=True):
        assert len(one) == len(other) == NUM_BEAMS and len(one.keys() & other) > NUM_BEAMS // 2
        largest = max([largest, *(abs(one[item] - other[item]) for item in one.keys() & other)])
        last = min(one.values())
        odd = [
            score for item, score in {**one, **other}.items() if (item in one) != (item in other)
        ]
        assert all(abs(score - last) < MAX_DIFFERENCE for score in odd), "other items were found"
    assert largest < MAX_DIFFERENCE, largest
    return largest


def offline(world: World, users: int, rounds: int, check: list[list[int]]) -> tuple[float, Answers]:
    """Ask vLLM's ``LLM.beam_search`` with our plugin."""
    from vllm import LLM
    from vllm.sampling_params import BeamSearchParams

    llm = LLM(str(world.base), disable_log_stats=True, **{**ENGINE, "block_size": OWN_BLOCK})
    params = BeamSearchParams(beam_width=NUM_BEAMS, max_tokens=NUM_LEVELS, length_penalty=0.0)

    def ask(prompts: list[list[int]]) -> Answers:
        asked = [{"prompt_token_ids": prompt} for prompt in prompts]
        found = llm.beam_search(asked, params)
        return [
            world.of_tokens([(beam.tokens, beam.cum_logprob) for beam in one.sequences])
            for one in found
        ]

    speed = best_speed("vLLM as it comes: LLM.beam_search", ask, world, users, rounds)
    answers = ask(check)
    llm.llm_engine.engine_core.shutdown()
    return speed, answers


async def in_process(
    world: World, users: int, rounds: int, check: list[list[int]]
) -> tuple[dict[str, float], Answers]:
    """Our loop and the beam search of vLLM's API server, on one engine."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin
    from vllm.inputs import tokens_input
    from vllm.sampling_params import BeamSearchParams
    from vllm.v1.engine.async_llm import AsyncLLM

    from genrec.engines.vllm.masking import RowFilters
    from genrec.engines.vllm.search import Search
    from genrec.engines.vllm.served import served_here

    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(model=str(world.base), disable_log_stats=True, **ENGINE)
    )
    served = served_here()
    assert served is not None
    catalogue = served.current()
    search = Search(engine, os.environ["GENREC_SEARCH_KEY"], ENGINE["max_model_len"])

    async def ours(prompts: list[list[int]]) -> Answers:
        row_filters = [RowFilters(catalogue)] * len(prompts)
        found = await search.items(prompts, row_filters, NUM_BEAMS, NUM_BEAMS, None)
        return [world.by_codes(one.rows, one.scores) for one in found]

    class Theirs(BeamSearchOnlineMixin):
        renderer, engine_client = engine.renderer, engine

    params = BeamSearchParams(beam_width=NUM_BEAMS, max_tokens=NUM_LEVELS, length_penalty=0.0)

    async def theirs(prompts: list[list[int]]) -> Answers:
        async def one(number: int, prompt: list[int]) -> dict[tuple[int, ...], float]:
            beams = Theirs().beam_search(tokens_input(prompt), f"beam-{number}", params)
            async for found in beams:
                pairs = [(beam.token_ids, beam.cumulative_logprob) for beam in found.outputs]
            return world.of_tokens(pairs)

        return await asyncio.gather(*(one(*pair) for pair in enumerate(prompts)))

    loop = asyncio.get_running_loop()
    speeds = {}
    for name, ask in (
        ("ours: beam loop on AsyncLLM", ours),
        ("vLLM with our block size: its API server's beam search", theirs),
    ):
        speeds[name] = await _best_async(name, ask, world, users, rounds)
    answers = await ours(check)
    await loop.run_in_executor(None, engine.shutdown)
    return speeds, answers


async def _best_async(
    name: str,
    ask: Callable[[list[list[int]]], Awaitable[Any]],
    world: World,
    users: int,
    rounds: int,
) -> float:
    taken = []
    for _ in range(rounds + 1):
        prompts = world.prompts(users)
        start = time.perf_counter()
        await ask(prompts)
        taken.append(time.perf_counter() - start)
    speed = users / min(taken[1:])
    print(f"{name:<58} {speed:>6.1f} users/s   rounds {[round(users / s, 1) for s in taken[1:]]}")
    return speed


def over_http(
    world: World, users: int, rounds: int, check: list[list[int]], block_size: int
) -> tuple[dict[str, float], Answers]:
    """Ask our route and the OpenAI route, 16 clients at a time; only the latter on vLLM's block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "genrec.engines.vllm", "--model", str(world.base)),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--no-enable-lora"),
        *("--max-model-len", "256", "--disable-log-stats", "--disable-uvicorn-access-log"),
        *("--block-size", str(block_size)),
    ]
    log = world.base.parent / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        url, both = f"http://127.0.0.1:{port}", block_size != OWN_BLOCK
        return asyncio.run(_ask_server(world, url, users, rounds, check, both))
    except BaseException:
        print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        server.terminate()
        server.wait()


async def _ask_server(
    world: World, url: str, users: int, rounds: int, check: list[list[int]], both: bool
) -> tuple[dict[str, float], Answers]:
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await _wait_until_ready(client)
        served = (await client.get("/genrec")).json()
        about = {"base": served["base"], "table": served["table"]}
        assert served["table"] == table_id(world.table)
        turns = asyncio.Semaphore(CLIENTS)

        async def post(path: str, body: dict[str, Any]) -> Any:
            async with turns:
                answer = await client.post(path, json=body)
            answer.raise_for_status()
            return answer.json()

        async def ours(prompts: list[list[int]]) -> Answers:
            asked = {
                **about,
                "k": NUM_BEAMS,
                "num_beams": NUM_BEAMS,
                "exclude": [[]],
                "candidates": [None],
            }
            found = await asyncio.gather(
                *(post("/genrec/items", {**asked, "prompts": [prompt]}) for prompt in prompts)
            )
            return [world.by_codes(one["rows"][0], one["scores"][0]) for one in found]

        async def theirs(prompts: list[list[int]]) -> Any:
            asked = {
                "model": str(world.base),
                "max_tokens": NUM_LEVELS,
                "n": NUM_BEAMS,
                "temperature": 0,
                "use_beam_search": True,
            }
            return await asyncio.gather(
                *(post("/v1/completions", {**asked, "prompt": prompt}) for prompt in prompts)
            )

        whose = "with our block size" if both else "as it comes"
        ways = {f"vLLM {whose} over HTTP: use_beam_search": theirs}
        if both:
            ways = {"ours over HTTP: POST /genrec/items": ours, **ways}
        speeds = {
            name: await _best_async(name, ask, world, users, rounds) for name, ask in ways.items()
        }
        return speeds, await ours(check)


async def _wait_until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            if (await client.get("/genrec")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.5)
    raise TimeoutError("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of each way")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ["GENREC_SEARCH_KEY"] = "benchmark"
    with tempfile.TemporaryDirectory(prefix="genrec-bench-") as directory:
        world = World(Path(directory))
        os.environ["GENREC_BASE"] = str(world.base)
        print(f"{world.parameters:,} parameters, {len(world.table):,} items, {NUM_BEAMS} beams")
        check, sizes = world.prompts(8), (world, arguments.users, arguments.rounds)
        vllm_speed, vllm_answers = offline(*sizes, check)
        own_speeds, _ = over_http(*sizes, check, OWN_BLOCK)
        os.environ[BLOCKS_VARIABLE] = str(BLOCK)
        speeds, answers = asyncio.run(in_process(*sizes, check))
        http_speeds, http_answers = over_http(*sizes, check, BLOCK)
    ours, tuned = speeds.values()
    http_ours, http_tuned = http_speeds.values()
    (http_own,) = own_speeds.values()
    difference = max(check_same(answers, vllm_answers), check_same(answers, http_answers))
    figures: dict[str, Any] = {
        "in_process": {"ours": ours, "vllm_as_it_comes": vllm_speed, "vllm_our_block": tuned},
        "http": {"ours": http_ours, "vllm_as_it_comes": http_own, "vllm_our_block": http_tuned},
        "max_score_difference": difference,
    }
    for way in ("in_process", "http"):
        mine, own, with_block = figures[way].values()
        print(
            f"{way}: {mine / own:.1f} times vLLM as it comes, {mine / with_block:.1f} times vLLM "
            "with our block size"
        )
    print(f"same items; scores within {difference:.0e}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
