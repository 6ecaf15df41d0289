"""What a large catalogue costs: its table and trie once, and a search led by the SASRec head.

    python -m benchmarks.large_catalogue [--items 12000 1000000] [--codes 20000000] [--json FILE]

Random codes, random weights: a language model of 3.4 million parameters, a head of the default size
with texts of 64 numbers and 20 followers an item, prompts of 90 tokens that name 20 items, 50
beams. Times are those of a processor on one thread, the shortest of the rounds, so that other work
on the machine counts for little; memory is how far the process grows at its peak while it answers.
A table of codes and its trie, without texts and head, may be larger than what the rest has memory
for.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from scipy import sparse
from transformers import PreTrainedModel

from benchmarks.decode_speed import CODEBOOK_SIZE, FIRST_CODE, NUM_LEVELS, build_model
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import LogitFusion
from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.tree import PrefillCache
from genrec.decode.trie import Trie
from genrec.engines.policy import SasRecFusion
from genrec.linear import speed_up
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, Terms, Transitions
from genrec.semantic_ids.table import SemanticIdTable

OPENING, NUM_EVENTS, PROMPT_TOKENS, NUM_BEAMS = 1, 20, 90, 50
TEXT_WIDTH, NUM_FOLLOWERS = 64, 20
BATCH = 16


@dataclass(frozen=True)
class Figures:
    """What was measured of one catalogue.

    Attributes:
        items: How many.
        table_mib: Memory of the ID table with its texts and look-ups by item ID.
        trie_s: To build the trie.
        trie_bytes: Of an item, on the device.
        vectors_s: To compute the vectors of all items.
        batch_ms: Time a user in a batch of ``BATCH``, and what of it the head takes.
        single_ms: The same of one user alone.
        row_mib: Memory a user while a batch is answered, at the peak.
    """

    items: int
    table_mib: float
    trie_s: float
    trie_bytes: float
    vectors_s: float
    batch_ms: tuple[float, float]
    single_ms: tuple[float, float]
    row_mib: float


def random_codes(num_items: int, rng: np.random.Generator, codebook_size: int) -> np.ndarray:
    """Draw different IDs. Shape: (N, L), int32."""
    numbers = np.unique(rng.integers(0, codebook_size**NUM_LEVELS, int(num_items * 2.1) + 100))
    numbers = rng.permutation(numbers)[:num_items]
    assert len(numbers) == num_items
    columns = [numbers // codebook_size**level % codebook_size for level in range(NUM_LEVELS)]
    return np.stack(columns, axis=1).astype(np.int32)


def cpu_s(run: Callable[[], object], rounds: int = 1) -> float:
    """Return the processor time of the shortest of several runs, in seconds."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def peak_growth(run: Callable[[], object]) -> int:
    """Return how many bytes the process grows at its peak during a run (Linux, glibc)."""
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would be used again unseen
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
    before = psutil.Process().memory_info().rss
    run()
    return peak_bytes() - before


def peak_bytes() -> int:
    """Return the most memory that the process took since its peak was last reset."""
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) * 1024


def make_table(
    codes: np.ndarray, codebook_size: int, texts: np.ndarray | None = None
) -> SemanticIdTable:
    """Return a table that has been asked for an item by ID, and by codes."""
    table = SemanticIdTable(
        item_ids=[f"item-{row}" for row in range(len(codes))],
        codes=codes,
        codebook_size=codebook_size,
        centroids=np.zeros((NUM_LEVELS, codebook_size, TEXT_WIDTH), dtype=np.float32),
        names={},
        text_vectors=texts,
    )
    row = table.index_of("item-0")
    assert table.item_at(tuple(codes[row].tolist())) == "item-0"
    return table


def make_head(table: SemanticIdTable, rng: np.random.Generator) -> SasRecHead:
    """Return a head of random weights, with every term."""
    head = SasRecHead(len(table), torch.tensor(table.centroids), TEXT_WIDTH, SasRecHeadConfig())
    starts = NUM_FOLLOWERS * np.arange(len(table) + 1)
    followers = rng.integers(0, len(table), starts[-1])
    votes = sparse.csr_array(
        (rng.random(starts[-1], dtype=np.float32), followers, starts), (len(table), len(table))
    )
    head.transitions = Transitions.of(votes, np.zeros(len(table)))
    head.terms, head.weight = Terms(transitions=1.0, likeness=5.0), 0.5
    head.new_item_boost = 0.05
    return head.eval()


def random_prompts(paths: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Draw prompts that name items. Shape: (BATCH, PROMPT_TOKENS)."""
    prompts = torch.full((BATCH, PROMPT_TOKENS), OPENING + 1)
    chosen = paths[rng.integers(0, len(paths), (BATCH, NUM_EVENTS))]
    opened = np.concatenate([np.full((BATCH, NUM_EVENTS, 1), OPENING), chosen], axis=2)
    events = torch.tensor(opened.reshape(BATCH, -1))
    prompts[:, -events.shape[1] - 1 : -1] = events
    prompts[:, -1] = OPENING
    return prompts


@torch.inference_mode()
def measure(num_items: int, model: PreTrainedModel, rounds: int) -> Figures:
    """Measure one catalogue."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    codes = random_codes(num_items, rng, CODEBOOK_SIZE)
    memory = psutil.Process().memory_info().rss
    texts = rng.normal(size=(num_items, TEXT_WIDTH)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    table = make_table(codes, CODEBOOK_SIZE, texts)
    table_bytes = psutil.Process().memory_info().rss - memory
    paths = codes + FIRST_CODE + CODEBOOK_SIZE * np.arange(NUM_LEVELS, dtype=np.int32)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    head = make_head(table, rng)
    started = time.process_time()
    fusion = SasRecFusion(head, table, table, trie, OPENING)
    vectors_s = time.process_time() - started
    prompts = random_prompts(paths, rng)

    def lead(rows: torch.Tensor) -> Policy:
        said = fusion.read(rows)
        return Policy(trie, fusion=LogitFusion.build(trie, said.of_leaves(), said.weight))

    def answer(rows: torch.Tensor) -> None:
        read = PrefillCache(model, rows, torch.ones_like(rows), trie)
        run_search(beam_search(lead(rows), len(rows), NUM_BEAMS), read)

    grown = peak_growth(lambda: answer(prompts))
    arrays = [value for value in vars(trie).values() if isinstance(value, torch.Tensor)]
    timed = {
        size: tuple(
            1e3 * cpu_s(lambda run=run, size=size: run(prompts[:size]), rounds) / size
            for run in (answer, lead)
        )
        for size in (BATCH, 1)
    }
    return Figures(
        items=num_items,
        table_mib=table_bytes / 2**20,
        trie_s=cpu_s(lambda: Trie.build(paths)),
        trie_bytes=sum(array.nbytes for array in arrays) / num_items,
        vectors_s=vectors_s,
        batch_ms=timed[BATCH],
        single_ms=timed[1],
        row_mib=grown / BATCH / 2**20,
    )


def measure_codes(num_items: int) -> dict[str, float]:
    """Measure a table without texts and its trie, of a codebook that has room for it."""
    codebook_size = CODEBOOK_SIZE
    while codebook_size**NUM_LEVELS < 4 * num_items:
        codebook_size *= 2
    rng = np.random.default_rng(0)
    codes = random_codes(num_items, rng, codebook_size)
    memory = psutil.Process().memory_info().rss
    started = time.process_time()
    table = make_table(codes, codebook_size)
    table_s = time.process_time() - started
    table_bytes = psutil.Process().memory_info().rss - memory
    paths = table.codes + codebook_size * np.arange(NUM_LEVELS, dtype=np.int32)
    started = time.process_time()
    trie = Trie.build(paths)
    build_s = time.process_time() - started
    on_device = DeviceTrie.from_trie(trie)
    below = rng.integers(1, codebook_size + 1, (BATCH, NUM_BEAMS))
    states = torch.tensor(below)
    return {
        "items": num_items,
        "table_s": table_s,
        "table_bytes_per_item": table_bytes / num_items,
        "build_s": build_s,
        "bytes_per_item": (trie.num_bytes + on_device.place_of.nbytes) / num_items,
        "inner_nodes": trie.level_start[-2],
        "step_ms": 1e3 * cpu_s(lambda: on_device.expand(states), 20),
        "peak_gib": peak_bytes() / 2**30,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="*", default=[12_000, 100_000, 1_000_000])
    parser.add_argument("--codes", type=int, default=20_000_000, help="items of a table and trie")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = build_model()
    speed_up(model)
    found = []
    for num_items in arguments.items:
        figures = measure(num_items, model, arguments.rounds)
        found.append(figures)
        print(
            f"{figures.items:,} items: table {figures.table_mib:.0f} MiB; "
            f"trie {figures.trie_s:.2f} s, {figures.trie_bytes:.1f} bytes an item; "
            f"vectors {figures.vectors_s:.2f} s; "
            f"a user in a batch {figures.batch_ms[0]:.1f} ms (head {figures.batch_ms[1]:.1f}), "
            f"alone {figures.single_ms[0]:.1f} ms (head {figures.single_ms[1]:.1f}); "
            f"{figures.row_mib:.1f} MiB a row",
            flush=True,
        )
    codes = measure_codes(arguments.codes)
    print(
        "{items:,} items: table {table_s:.1f} s, {table_bytes_per_item:.0f} bytes an item; trie "
        "{build_s:.1f} s, {bytes_per_item:.1f} bytes an item, {inner_nodes:,} nodes above the "
        "leaves, a step {step_ms:.2f} ms; at the peak {peak_gib:.1f} GiB".format(**codes)
    )
    if arguments.json:
        figures = {"catalogues": [asdict(each) for each in found], "codes": codes}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
