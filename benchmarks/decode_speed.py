"""Speed of tree beam search, and what a growing catalogue costs.

    python benchmarks/decode_speed.py [--threads 2] [--json FILE]

Three tables, all measured in this one process:

1. Users per second of tree beam search and of ``generate(prefix_allowed_tokens_fn=...)`` with
   the same model, prompts and catalogue, at several batch sizes, and whether they agree: a
   Qwen3-architecture model of 3.4 million parameters, 12,000 items of 3 x 256 codes, prompts of 90
   tokens, 20 beams, 64 users. The engines take turns; each figure is the best of the rounds.
2. The exact ranking of the whole catalogue by the same search with a beam for every item.
3. A trie of 0.1 to 5 million items: bytes an item, time to build, to add and to remove, and of one
   decoding step for 64 users x 20 beams.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.grouped_attention import attend_in_groups
from genrec.decode.policy import Policy
from genrec.decode.search import Beams, beam_search, run_search
from genrec.decode.trie import Trie
from genrec.engines.read_prompts import OwnPrompt, PromptReader
from genrec.linear import speed_up

NUM_USERS, PROMPT_TOKENS, NUM_BEAMS = 64, 90, 20
NUM_LEVELS, CODEBOOK_SIZE, FIRST_CODE = 3, 256, 256
MAX_DIFFERENCE = 1e-4


Engines = dict[str, Callable[[torch.Tensor], object]]


def build_model() -> Qwen3ForCausalLM:
    """Random weights, scaled up so that some tokens are much likelier than others."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=FIRST_CODE + NUM_LEVELS * CODEBOOK_SIZE,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=512,
        initializer_range=0.1,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).eval()


def clustered_paths(num_items: int, seed: int = 0) -> np.ndarray:
    """Draw paths about as clustered as the IDs of amazon14_beauty.

    Those have 7,300 prefixes of two codes for 12,100 items, 2,200 of them with several items.
    """
    rng = np.random.default_rng(seed)
    first = rng.choice(CODEBOOK_SIZE, 4 * num_items, p=rng.dirichlet(np.full(CODEBOOK_SIZE, 3.0)))
    taste = rng.dirichlet(np.full(CODEBOOK_SIZE, 0.22), CODEBOOK_SIZE).cumsum(axis=1)
    second = (taste[first] < rng.random((len(first), 1))).sum(axis=1).clip(max=CODEBOOK_SIZE - 1)
    third = rng.integers(0, CODEBOOK_SIZE, len(first))
    rows = np.unique(np.stack([first, second, third], axis=1), axis=0)
    rows = rows[rng.permutation(len(rows))[:num_items]]
    return rows + FIRST_CODE + CODEBOOK_SIZE * np.arange(NUM_LEVELS)


def allowed_tokens(paths: np.ndarray) -> dict[tuple[int, ...], list[int]]:
    """Return which tokens may follow each prefix of some paths."""
    allowed: dict[tuple[int, ...], set[int]] = {}
    for path in paths.tolist():
        for level, token in enumerate(path):
            allowed.setdefault(tuple(path[:level]), set()).add(token)
    return {prefix: sorted(tokens) for prefix, tokens in allowed.items()}


def generate(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    allowed: dict[tuple[int, ...], list[int]],
    num_beams: int,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Decode as one does without us.

    Returns:
        Paths (B, K, L) and their scores (B, K); None of one beam, which is given no score.
    """
    num_rows, length = input_ids.shape
    output = model.generate(
        input_ids,
        attention_mask=attention_mask,
        prefix_allowed_tokens_fn=lambda _, ids: allowed[tuple(ids[length:].tolist())],
        num_beams=num_beams,
        num_return_sequences=num_beams,
        max_new_tokens=max(map(len, allowed)) + 1,
        renormalize_logits=True,
        do_sample=False,
        length_penalty=0.0,
        eos_token_id=None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    paths = output.sequences[:, length:].view(num_rows, num_beams, -1)
    scores = output.sequences_scores.view(num_rows, num_beams) if num_beams > 1 else None
    return paths, scores


def compare(rounds: int) -> dict[str, object]:
    model, paths = build_model(), clustered_paths(12_000)
    # As the engine takes a model; ``generate`` runs it as it is.
    taken = copy.deepcopy(model)
    speed_up(taken)
    attend_in_groups(taken)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    allowed = allowed_tokens(paths)
    prompts = torch.randint(0, FIRST_CODE, (NUM_USERS, PROMPT_TOKENS))
    reader = PromptReader(0, prompts.device)

    @torch.inference_mode()
    def tree(rows: torch.Tensor, num_beams: int = NUM_BEAMS) -> Beams:
        asked = [OwnPrompt(tuple(row), "") for row in rows.tolist()]
        read = reader.read(taken, "", trie, asked)
        return run_search(beam_search(Policy(trie), len(rows), num_beams), read)

    def by_transformers(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return generate(model, rows, torch.ones_like(rows), allowed, NUM_BEAMS)

    @torch.inference_mode()
    def prefill(rows: torch.Tensor) -> None:
        taken(rows, logits_to_keep=1)

    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters:,} parameters, trie levels start at {trie.level_start}")
    engines: Engines = {
        "tree": tree,
        "generate": by_transformers,
        "prefill": prefill,
    }
    figures = {
        "parameters": parameters,
        "speeds": [measure_speed(engines, prompts, size, rounds) for size in (64, 16, 1)],
        **compare_results(tree(prompts), *by_transformers(prompts), paths),
    }
    exact = tree(prompts[:8], trie.num_leaves)
    exact_s = best_of(lambda: tree(prompts[:1], trie.num_leaves), rounds)
    shared = [
        len(set(some) & set(best[:NUM_BEAMS])) / NUM_BEAMS
        for some, best in zip(tree(prompts[:8]).leaves.tolist(), exact.leaves.tolist(), strict=True)
    ]
    print(
        f"exact ranking of all {trie.num_leaves:,}: {1 / exact_s:.2f} users/s; "
        f"{NUM_BEAMS} beams find {np.mean(shared):.1%} of the exact first {NUM_BEAMS}"
    )
    return {
        **figures,
        "exact_users_per_s": 1 / exact_s,
        "beam_recall_of_exact": float(np.mean(shared)),
    }


def measure_speed(
    engines: Engines, prompts: torch.Tensor, batch_size: int, rounds: int
) -> dict[str, float]:
    """Time every engine on the same users, in turns; the first round only warms up."""
    users = NUM_USERS if batch_size > 1 else 16
    batches = prompts[:users].split(batch_size)
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds + 1):
        for name, run in engines.items():
            start = time.perf_counter()
            for batch in batches:
                run(batch)
            taken[name].append(time.perf_counter() - start)
    speed = {name: users / min(times[1:]) for name, times in taken.items()}
    ratio = speed["tree"] / speed["generate"]
    print(
        f"batch {batch_size:>2}: tree {speed['tree']:.1f} users/s, generate "
        f"{speed['generate']:.2f}, {ratio:.1f} times; one forward pass over the prompts "
        f"alone {speed['prefill']:.1f}"
    )
    return {"batch_size": batch_size, "ratio": ratio, **speed}


def compare_results(
    beams: Beams, paths: torch.Tensor, scores: torch.Tensor, items: np.ndarray
) -> dict[str, object]:
    same = (torch.tensor(items)[beams.leaves] == paths).all(dim=-1)
    difference = (beams.scores - scores).abs().max().item()
    print(
        f"same item at the same rank: {same.float().mean():.4%}; "
        f"scores differ by at most {difference:.1e}"
    )
    assert difference <= MAX_DIFFERENCE, difference
    # Two items may change places only where their scores are as good as equal.
    assert all(
        set(map(tuple, one.tolist())) == set(map(tuple, other.tolist()))
        for one, other in zip(torch.tensor(items)[beams.leaves], paths, strict=True)
    ), "the engines found different items"
    return {"same_rank_share": same.float().mean().item(), "max_score_difference": difference}


def measure_catalogue(size: int, rng: np.random.Generator) -> dict[str, float]:
    """Build a trie of ``size`` random paths of four codes and time what is done with it."""
    codes = np.unique(rng.integers(0, 256**4, int(size * 1.01) + 2000))
    codes = codes[rng.permutation(len(codes))]
    paths = np.stack([codes >> shift & 255 for shift in (24, 16, 8, 0)], axis=1)
    paths = paths.astype(np.int32) + 256 * np.arange(4, dtype=np.int32)
    new, paths = paths[size : size + 1000], paths[:size]
    trie = Trie.build(paths)
    device_trie = DeviceTrie.from_trie(trie)
    exclude = list(rng.integers(0, size, (NUM_USERS, 50)))
    half = rng.permutation(size)[: size // 2]
    constraint = Constraint.build(device_trie, exclude, [half] * NUM_USERS)
    before = constraint.leaves_before
    # Below the first code: the widest step at which beams differ.
    states = torch.tensor(rng.integers(1, 257, (NUM_USERS, NUM_BEAMS)))
    return {
        "items": size,
        "bytes_per_item": (trie.num_bytes + device_trie.place_of.nbytes) / size,
        "build_s": best_of(lambda: Trie.build(paths), 2),
        "add_s": best_of(lambda: trie.add(new), 2),
        "remove_s": best_of(lambda: trie.remove(np.arange(1000)), 2),
        "step_ms": 1e3 * best_of(lambda: device_trie.expand(states), 20),
        "filtered_step_ms": 1e3 * best_of(lambda: device_trie.expand(states, before), 20),
    }


def best_of(run: Callable[[], object], times: int) -> float:
    """Return the shortest of several runs in seconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure_growth(sizes: tuple[int, ...]) -> list[dict[str, float]]:
    print("    items  B/item  build s  add s  remove s  step ms  filtered step ms")
    rng = np.random.default_rng(0)
    rows = []
    for size in sizes:
        row = measure_catalogue(size, rng)
        rows.append(row)
        print(
            "{items:>9,} {bytes_per_item:>7.1f} {build_s:>8.2f} {add_s:>6.2f} {remove_s:>9.2f} "
            "{step_ms:>8.2f} {filtered_step_ms:>17.2f}".format(**row)
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of each engine")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = {
        "threads": arguments.threads,
        **compare(arguments.rounds),
        "catalogues": measure_growth((100_000, 1_000_000, 5_000_000)),
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
