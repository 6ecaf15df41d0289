"""Training of the SASRec head: histories of rows in, best weights on validation out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genrec.metrics import watched_ndcg
from genrec.model.fit import BETAS, fit
from genrec.model.item_features import NO_ROW, ItemFeatures, pad_histories
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, ScoreParts, Terms, Transitions
from genrec.model.transition_counts import count_openings, count_transitions
from genrec.schema import Example

Histories = Sequence[Sequence[int]]
"""Rows of each user's events, oldest first."""
Questions = Sequence[tuple[Sequence[int], int]]
"""Histories of rows, each with the row that came next."""

QUESTIONS_AT_ONCE = 512
TRANSITIONS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
LIKENESS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
UNTRIED = Terms(transitions=2.0, likeness=4.0)
"""Without questions to choose by."""
BUCKET = 32
"""Batches whose histories are sorted by length together, so that little padding is computed."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a SASRec head is trained.

    Attributes:
        centroids: Of the items' codes. Shape: (L, K, D); L = 0 trains without codes.
        config: Size and training.
        seed: Equal seeds give equal weights on one device.
        device: Where to train.
    """

    centroids: np.ndarray
    config: SasRecHeadConfig
    seed: int
    device: torch.device | str = "cpu"


def to_questions(examples: Iterable[Example], row: Callable[[str], int]) -> Questions:
    """Return what came first after each history, given the row of an item."""
    return [
        ([row(event.item_id) for event in each.history.events], row(each.targets[0].item_id))
        for each in examples
    ]


def fit_sasrec_head(
    histories: Histories,
    questions: Questions,
    items: ItemFeatures,
    recipe: Recipe,
    start: SasRecHead | None = None,
) -> tuple[SasRecHead, list[dict[str, float]]]:
    """Train a SASRec head.

    Args:
        histories: Training events.
        questions: For early stopping; none: no stopping.
        items: N of them. Those that training is not to meet are never drawn as negatives.
        recipe: How.
        start: A head of these items to go on from, which is changed; None: a new one.

    Returns:
        The head with its best weights, in evaluation mode, and its validations; see ``fit``.
    """
    config, device = recipe.config, recipe.device
    torch.manual_seed(recipe.seed)
    generator = np.random.default_rng(recipe.seed)
    if start is None:
        centroids = torch.as_tensor(recipe.centroids, dtype=torch.float32)
        start = SasRecHead(len(items), centroids, items.text.shape[1], config)
    head = start.to(device)
    items = items.to(device)
    met = np.flatnonzero(items.trained.cpu().numpy() != NO_ROW)
    samples = [part for history in histories for part in _cut(history, config.max_events)]
    steps = max(math.ceil(len(samples) / config.batch_size) * config.epochs, 1)
    optimizer = torch.optim.AdamW(
        head.parameters(),
        lr=config.learning_rate,
        betas=BETAS,
        weight_decay=config.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, steps))

    def batches(_: int) -> Iterator[Tensor]:
        return _batches(samples, config.batch_size, generator)

    def take_step(batch: Tensor) -> float:
        drawn = torch.as_tensor(generator.choice(met, size=config.num_negatives))
        loss = head.loss(batch.to(device), drawn.to(device), items)
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
        (lambda: sasrec_head_ndcg(head, items, questions)) if questions else None,
        config.every_epochs,
        config.patience,
        "SASRec head",
    )
    return head, curve if questions else []


def choose_terms(
    head: SasRecHead, histories: Histories, questions: Questions, items: ItemFeatures
) -> None:
    """Add transition counts and the likeness of texts, with the factors best on validation.

    Args:
        head: Trained on the histories.
        histories: Training events.
        questions: None: nothing is chosen.
        items: The catalogue.
    """
    count_into(head, histories, items)
    head.terms = UNTRIED
    if not questions:
        return
    likeness = LIKENESS if head.text_network is not None else (0.0,)
    tried = [Terms(*factors) for factors in itertools.product(TRANSITIONS, likeness)]
    ndcg = dict(zip(tried, ndcg_by_terms(head, items, questions, tried), strict=True))
    head.terms = max(tried, key=lambda terms: ndcg[terms])


def count_into(
    head: SasRecHead,
    histories: Histories,
    items: ItemFeatures,
    weights: Sequence[Sequence[float]] | None = None,
) -> None:
    """Give a head the transition counts of some histories; see ``count_transitions``."""
    counted = count_transitions(histories, len(items), weights)
    openings = count_openings(histories, len(items))
    head.transitions = Transitions.of(counted, openings).to(head.item_embedding.weight.device)


def sasrec_head_ndcg(head: SasRecHead, items: ItemFeatures, questions: Questions) -> float:
    """Return the mean NDCG@10 of the questions, items of the history left out."""
    return ndcg_by_terms(head, items, questions, [head.terms])[0]


def ndcg_by_terms(
    head: SasRecHead, items: ItemFeatures, questions: Questions, tried: Iterable[Terms]
) -> list[float]:
    """Return the mean NDCG@10 of the questions under each setting of the terms."""
    return [watched_ndcg(ranks) for ranks in ranks_by_terms(head, items, questions, tried)]


@torch.inference_mode()
def ranks_by_terms(
    head: SasRecHead, items: ItemFeatures, questions: Questions, tried: Iterable[Terms]
) -> list[np.ndarray]:
    """Return the ranks of what came next, from 1, under each setting of the terms.

    Items of the history are left out.

    Returns:
        Shape of each: (questions,), at least one.
    """
    tried = list(tried)
    ranks: list[list[np.ndarray]] = [[] for _ in tried]
    for parts, histories, targets in score_questions(head, items, questions):
        asked, columns = (histories != NO_ROW).nonzero(as_tuple=True)
        for number, terms in enumerate(tried):
            logits = parts.join(terms)
            wanted = logits.gather(1, targets)
            if logits is parts.logits:
                logits = logits.clone()
            logits[asked, histories[asked, columns]] = -torch.inf
            ranks[number].append((logits > wanted).sum(dim=1).cpu().numpy() + 1)
    return [np.concatenate(each) for each in ranks]


def score_questions(
    head: SasRecHead, items: ItemFeatures, questions: Questions, at_once: int = QUESTIONS_AT_ONCE
) -> Iterator[tuple[ScoreParts, Tensor, Tensor]]:
    """Yield the scores of so many questions at once, their histories and targets (B, 1)."""
    device = head.item_embedding.weight.device
    items = items.to(device)
    vectors = head.vectors(items)
    for start in range(0, len(questions), at_once):
        batch = questions[start : start + at_once]
        histories = pad_histories([history for history, _ in batch]).to(device)
        targets = torch.tensor([[target] for _, target in batch], device=device)
        yield head.score_parts(histories, items, vectors), histories, targets


def _cut(history: Sequence[int], max_events: int) -> Iterator[Sequence[int]]:
    """Yield stretches in which every event but the first is predicted once."""
    for start in range(0, len(history) - 1, max_events):
        yield history[start : start + max_events + 1]


def _batches(samples: Histories, size: int, generator: np.random.Generator) -> Iterator[Tensor]:
    order = generator.permutation(len(samples))
    for start in range(0, len(order), size * BUCKET):
        near = sorted(order[start : start + size * BUCKET], key=lambda index: len(samples[index]))
        parts = [near[begin : begin + size] for begin in range(0, len(near), size)]
        for number in generator.permutation(len(parts)):
            yield pad_histories([samples[index] for index in parts[number]])


def _pace(step: int, steps: int) -> float:
    warm_up = min(200, steps // 10 + 1)
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
