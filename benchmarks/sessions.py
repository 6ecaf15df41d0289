"""What a returning user costs: one new event, beside a first request; and what memory is kept.

    python benchmarks/sessions.py --run runs/demo/sft [--vllm http://127.0.0.1:8000]

Every ratio is one of medians in one run, of users asked in turns: a user who is new, one who
returns with one new event, and the same two of an engine that keeps nothing. ``--soak`` lets users
come and return for so many seconds under a small budget, and prints the memory of the process.
Of a vLLM server, which keeps prefixes by itself, its own metrics tell what it found of the tokens
that first and returning visits asked for, those of beams included. Nobody else may ask it then.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from pathlib import Path

import httpx
import torch

from genrec.recommender import Recommender
from genrec.schema import Event, History, Request

LENGTHS = (25, 1000)
SERVER_LENGTHS = (25, 100)
WARM_UP = 2
DAY = 86_400
K = 10


def draw_history(recommender: Recommender, user_id: str, num_events: int) -> History:
    """Return a user of random purchases, three days apart, every second one with a review."""
    choose = random.Random(user_id)
    items = recommender.items

    def purchase(place: int) -> Event:
        titles = [item.title or item.item_id for item in choose.sample(items, 6)]
        review = f"Nothing like {', '.join(titles[1:])}." if place % 2 else None
        item_id, time = choose.choice(items).item_id, 1_600_000_000 + 3 * DAY * place
        return Event(user_id, item_id, time, "purchase", review=review)

    return History(user_id, tuple(purchase(place) for place in range(num_events)))


def ask(recommender: Recommender, history: History) -> float:
    """Return how long the answer took, in milliseconds."""
    start = time.perf_counter()
    recommender.rank_many([Request(history)], K)
    return 1000 * (time.perf_counter() - start)


def measure(kept: Recommender, fresh: Recommender, rounds: int) -> dict[tuple[str, int], float]:
    """Return the median of each kind of request, by kind and number of events."""
    taken: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + WARM_UP):
        for length in LENGTHS:
            whole = draw_history(kept, f"user {turn} of {length}", length + 1)
            before = History(whole.user_id, whole.events[:-1])
            times = {
                "nothing kept": ask(fresh, before),
                "first": ask(kept, before),
                "returning": ask(kept, whole),
            }
            if turn >= WARM_UP:
                for kind, value in times.items():
                    taken.setdefault((kind, length), []).append(value)
    return {kind: statistics.median(times) for kind, times in taken.items()}


def measure_server(url: str, run: Path, num_beams: int, rounds: int) -> None:
    """Print what a vLLM server computed for users who are new, and who return."""
    recommender = Recommender.from_pretrained(run, num_beams=num_beams, vllm=url)
    for length in SERVER_LENGTHS:
        asked, found = dict.fromkeys(("first", "returning"), 0), {}
        for turn in range(rounds):
            # Every beam computes what of the prompt fills no block, so lengths vary.
            whole = draw_history(recommender, f"{time.time()} {turn}", length + turn + 1)
            before = History(whole.user_id, whole.events[:-1])
            for kind, history in zip(asked, (before, whole), strict=True):
                known = prefix_counts(url)
                ask(recommender, history)
                now = prefix_counts(url)
                asked[kind] += now["queries"] - known["queries"]
                found[kind] = found.get(kind, 0) + now["hits"] - known["hits"]
        for kind, tokens in asked.items():
            print(
                f"vLLM, {num_beams} beams, {length} events and up, {kind}: "
                f"{tokens / rounds:.0f} tokens a visit, {found[kind] / tokens:.1%} found, "
                f"{(tokens - found[kind]) / rounds:.0f} computed"
            )


def prefix_counts(url: str) -> dict[str, int]:
    """Return how many tokens a vLLM server was asked for, and how many it had."""
    lines = httpx.get(f"{url}/metrics").raise_for_status().text.splitlines()
    return {
        name: sum(
            int(float(line.split()[-1]))
            for line in lines
            if line.startswith(f"vllm:prefix_cache_{name}_total")
        )
        for name in ("queries", "hits")
    }


def soak(recommender: Recommender, seconds: float, budget_mb: int) -> None:
    """Let users come and return; print the memory now and then."""
    choose, start, shown = random.Random(0), time.monotonic(), 0.0
    cache = recommender.session_cache
    assert cache is not None
    asked = 0
    while (passed := time.monotonic() - start) < seconds:
        users = [f"user {choose.randrange(2000)}" for _ in range(16)]
        histories = [draw_history(recommender, user, choose.randint(5, 40)) for user in users]
        recommender.rank_many([Request(history) for history in histories], K)
        asked += len(users)
        if passed >= shown:
            pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
            rss = pages * os.sysconf("SC_PAGE_SIZE") >> 20
            print(
                f"{passed:4.0f} s, {asked} requests: RSS {rss} "
                f"MiB, kept {cache.num_bytes / 2**20:.1f} of {budget_mb} MiB, "
                f"{cache.tokens_found / cache.tokens_asked:.0%} of tokens not read again",
                flush=True,
            )
            shown += seconds / 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/demo/sft"))
    parser.add_argument("--num-beams", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--vllm", help="URL of a server of the run's base, to be asked instead")
    parser.add_argument("--cache-mb", type=int, default=256, help="of the engine that keeps")
    parser.add_argument("--soak", type=float, default=0, help="seconds; 0: none")
    parser.add_argument("--budget-mb", type=int, default=32, help="of the soak")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.vllm:
        for num_beams in arguments.num_beams:
            measure_server(arguments.vllm, arguments.run, num_beams, arguments.rounds)
        return
    for num_beams in arguments.num_beams:
        kept, fresh = (
            Recommender.from_pretrained(arguments.run, "cpu", num_beams, session_cache_mb=megabytes)
            for megabytes in (arguments.cache_mb, 0)
        )
        ms = measure(kept, fresh, arguments.rounds)
        for (kind, length), value in ms.items():
            print(f"{num_beams} beams, {length} events, {kind}: {value:.1f} ms")
        for length in LENGTHS:
            ratio = ms["returning", length] / ms["nothing kept", length]
            print(f"{num_beams} beams: returning / first at {length} events: {ratio:.2f}")
        for kind in ("first", "returning"):
            ratio = ms[kind, LENGTHS[1]] / ms[kind, LENGTHS[0]]
            print(
                f"{num_beams} beams: {kind} at {LENGTHS[1]} / {kind} at {LENGTHS[0]}: {ratio:.2f}"
            )
    if arguments.soak:
        budget_mb = arguments.budget_mb
        small = Recommender.from_pretrained(arguments.run, "cpu", session_cache_mb=budget_mb)
        soak(small, arguments.soak, budget_mb)


if __name__ == "__main__":
    main()
