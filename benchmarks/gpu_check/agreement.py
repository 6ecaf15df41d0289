"""Is it right? Losses and gradients, and what a search finds, against float32 on the CPU."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.gpu_check.world import TINY, Size, World, build_model
from genrec.decode.policy import Policy
from genrec.decode.search import Beams, beam_search, run_search
from genrec.decode.tree import PrefillCache, score_after
from genrec.model.precision import RunUnder, float32_arithmetic

ROW_TOKENS = (512, 448)
"""At T % 128 == 64 some cuDNN releases return NaN (pytorch#196678)."""
SPREAD = 0.1
"""Of random weights: some tokens are much likelier than others, as after training."""
TOP = 10


def check_losses(device: str) -> dict[str, Any]:
    """Compare the loss and its gradients, by attention and precision."""
    world = World(TINY.vocab_size, 600)
    report = {}
    for row_tokens in ROW_TOKENS:
        batch = world.batch(3, row_tokens)
        wanted, truth = _loss_and_gradient(world, batch, "cpu", packed=False, half=False)
        for packed in (False, True):
            for half in (False, True):
                loss, gradient = _loss_and_gradient(world, batch, device, packed, half)
                attention = "packed" if packed else "masked"
                name = f"{attention}, {'bfloat16' if half else 'float32'}, rows of {row_tokens}"
                report[name] = {
                    "loss_relative_error": abs(loss - wanted) / wanted,
                    "gradient_cosine": F.cosine_similarity(gradient, truth, dim=0).item(),
                    "gradient_not_finite": int((~gradient.isfinite()).sum()),
                }
    return report


def _loss_and_gradient(
    world: World, batch: dict[str, Tensor], device: str, packed: bool, half: bool
) -> tuple[float, Tensor]:
    module = world.loss(build_model(TINY, "cpu", spread=SPREAD), packed).to(device)
    moved = {name: part.to(device) for name, part in batch.items()}
    with torch.autocast(device, torch.bfloat16) if half else nullcontext():
        loss, weight = module(**moved)
    (loss / weight).backward()
    parts = [each.grad.flatten() for each in module.parameters() if each.grad is not None]
    return loss.item(), torch.cat(parts).double().cpu()


@torch.inference_mode()
def check_search(device: str, size: Size, users: int, prompt_tokens: int) -> dict[str, Any]:
    """Compare the first items of a search, of bfloat16 weights, by arithmetic."""
    world = World(size.vocab_size, 2_000)
    model = build_model(size, "cpu", torch.bfloat16, SPREAD).eval()
    tokens = world.prompts(users, prompt_tokens)
    truth = _search(world, model, tokens, float32_arithmetic(model))
    model = model.to(device)
    exact = float32_arithmetic(model)
    half = _search(world, model, tokens, nullcontext)
    rescored = _score_again(world, model, tokens, exact, half)
    wide = _search(world, model, tokens, exact)
    found = {"float32": wide, "bfloat16": half, "rescored": rescored}
    return {name: _compare(truth, beams) for name, beams in found.items()}


def _search(world: World, model: Any, tokens: Tensor, run_under: RunUnder) -> Beams:
    """Return the best leaves of each prompt, on the CPU."""
    trie, tokens = world.trie.to(model.device), tokens.to(model.device)
    with run_under():
        prompts = PrefillCache(model, tokens, torch.ones_like(tokens), trie)
        found = run_search(beam_search(Policy(trie), len(tokens), 2 * TOP), prompts)
    return Beams(*(part.cpu() for part in found))


def _score_again(
    world: World, model: Any, tokens: Tensor, run_under: RunUnder, found: Beams
) -> Beams:
    """Score what was found and put it in order anew, as the engine's "rescored" does."""
    trie, tokens = world.trie.to(model.device), tokens.to(model.device)
    with run_under():
        prompts = PrefillCache(model, tokens, torch.ones_like(tokens), trie)
        scores = score_after(prompts, Policy(trie), found.leaves.to(model.device)).cpu()
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return Beams(found.leaves.gather(1, order), scores, found.alone.gather(1, order))


def _compare(truth: Beams, found: Beams) -> dict[str, float]:
    shared = [
        len(set(wanted[:TOP]) & set(leaves[:TOP])) / TOP
        for wanted, leaves in zip(truth.leaves.tolist(), found.leaves.tolist(), strict=True)
    ]
    return {
        "overlap_at_10": sum(shared) / len(shared),
        "first_the_same": (truth.leaves[:, 0] == found.leaves[:, 0]).double().mean().item(),
        "best_score_off_by": (truth.scores[:, 0] - found.scores[:, 0]).abs().max().item(),
    }
