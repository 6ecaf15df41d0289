"""Training of the SASRec head: histories of rows in, best weights on validation out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from genrec.metrics import ndcg_of_ranks
from genrec.model.fit import fit
from genrec.model.sasrec_head import (
    NO_ROW,
    SasRecHead,
    SasRecHeadConfig,
    Transitions,
    pad_histories,
)
from genrec.model.transition_counts import count_transitions

CUTOFF = 10
QUESTIONS_AT_ONCE = 512
TRANSITIONS_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
UNTRIED_TRANSITIONS_WEIGHT = 2.0
"""Without questions to choose by."""
BUCKET = 32
"""Batches whose histories are sorted by length together, so that little padding is computed."""


def fit_sasrec_head(
    histories: Sequence[Sequence[int]],
    questions: Sequence[tuple[Sequence[int], int]],
    codes: np.ndarray,
    centroids: np.ndarray,
    config: SasRecHeadConfig,
    seed: int,
    device: torch.device | str = "cpu",
) -> tuple[SasRecHead, list[dict[str, float]]]:
    """Train a SASRec head.

    Args:
        histories: Rows of each user's training events, oldest first.
        questions: Histories and the row that came next, for early stopping; none: no stopping.
        codes: Of the table. Shape: (N, L).
        centroids: Of its codes. Shape: (L, K, D); L = 0 trains a plain SASRec.
        config: Size and training.
        seed: Equal seeds give equal weights on one device.
        device: Where to train.

    Returns:
        The head with its best weights, in evaluation mode, and its validations; see ``fit``.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    head = SasRecHead(len(codes), torch.as_tensor(centroids, dtype=torch.float32), config).to(
        device
    )
    code_table = torch.as_tensor(codes, dtype=torch.int64, device=device)
    samples = [part for history in histories for part in _cut(history, config.max_events)]
    steps = max(math.ceil(len(samples) / config.batch_size) * config.epochs, 1)
    optimizer = torch.optim.AdamW(
        head.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
        foreach=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, steps))

    def batches(_: int) -> Iterator[Tensor]:
        return _batches(samples, config.batch_size, generator)

    def take_step(batch: Tensor) -> float:
        drawn = torch.as_tensor(generator.integers(len(codes), size=config.num_negatives))
        loss = head.loss(batch.to(device), drawn.to(device), code_table)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return float(loss.detach())

    curve = fit(
        head,
        config.epochs,
        batches,
        take_step,
        (lambda: sasrec_head_ndcg(head, codes, questions)) if questions else None,
        config.every_epochs,
        config.patience,
        "SASRec head",
    )
    return head, curve if questions else []


def add_transitions(
    head: SasRecHead,
    histories: Sequence[Sequence[int]],
    questions: Sequence[tuple[Sequence[int], int]],
    codes: np.ndarray,
) -> None:
    """Add transition counts to a trained head, with the weight that is best on validation.

    Args:
        head: Trained on the histories.
        histories: As for ``fit_sasrec_head``, like the others.
        questions: None: nothing is chosen.
        codes: Of the table.
    """
    counted = count_transitions(histories, len(codes))
    head.transitions = Transitions.of(counted).to(head.item_embedding.weight.device)
    found = {}
    for weight in TRANSITIONS_WEIGHTS if questions else ():
        head.transitions_weight = weight
        found[weight] = sasrec_head_ndcg(head, codes, questions)
    best = max(found, key=lambda weight: found[weight], default=UNTRIED_TRANSITIONS_WEIGHT)
    head.transitions_weight = best


@torch.inference_mode()
def sasrec_head_ndcg(
    head: SasRecHead, codes: np.ndarray, questions: Sequence[tuple[Sequence[int], int]]
) -> float:
    """Return the mean NDCG@10 of the questions, items of the history left out."""
    device = head.item_embedding.weight.device
    rows = torch.arange(len(codes), device=device)
    vectors = head.vectors(rows, torch.as_tensor(codes, dtype=torch.int64, device=device))
    ranks: list[np.ndarray] = []
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        batch = questions[start : start + QUESTIONS_AT_ONCE]
        histories = pad_histories([history for history, _ in batch]).to(device)
        logits = head(histories, vectors, rows)
        asked, columns = (histories != NO_ROW).nonzero(as_tuple=True)
        targets = torch.tensor([target for _, target in batch], device=device)
        wanted = logits.gather(1, targets.unsqueeze(1))
        logits[asked, histories[asked, columns]] = -torch.inf
        ranks.append((logits > wanted).sum(dim=1).cpu().numpy() + 1)
    return float(ndcg_of_ranks(np.concatenate(ranks), CUTOFF).mean())


def _cut(history: Sequence[int], max_events: int) -> Iterator[Sequence[int]]:
    """Yield stretches in which every event but the first is predicted once."""
    for start in range(0, len(history) - 1, max_events):
        yield history[start : start + max_events + 1]


def _batches(
    samples: Sequence[Sequence[int]], size: int, generator: np.random.Generator
) -> Iterator[Tensor]:
    order = generator.permutation(len(samples))
    for start in range(0, len(order), size * BUCKET):
        near = sorted(order[start : start + size * BUCKET], key=lambda place: len(samples[place]))
        parts = [near[begin : begin + size] for begin in range(0, len(near), size)]
        for number in generator.permutation(len(parts)):
            yield pad_histories([samples[place] for place in parts[number]])


def _pace(step: int, steps: int) -> float:
    warm_up = min(200, steps // 10 + 1)
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
