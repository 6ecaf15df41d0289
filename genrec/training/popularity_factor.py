"""Chooses how much recent popularity counts, and how far back it looks, on validation.

In most logs the other scorers know already what is popular, and then it counts nothing: it must be
surely better than none, for the head alone, which costs no search, and then for the pool.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genrec.data import Dataset
from genrec.metrics import watched_ndcgs
from genrec.model.item_features import ItemFeatures
from genrec.model.load import LoadedRun
from genrec.model.recent_popularity import RecentPopularity
from genrec.model.sasrec_head import SasRecHead, Terms
from genrec.model.sasrec_training import score_questions
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.training.choice import surely_best
from genrec.training.config import TrainConfig
from genrec.training.fusion import (
    Found,
    best_fusion,
    draw_questions,
    find_and_judge,
    leave_out_seen,
    likeness_of,
    to_rows,
)
from genrec.training.validation import Question

DAYS = (1.0, 7.0, 30.0)
FACTORS = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
NUM_JUDGED = 10
"""Of what is most popular in each window, beside what a search finds."""

Told = dict[float, list[RowScores]]
"""What was popular before each question, by the days of the window."""


class Choice(NamedTuple):
    """A factor of popularity and its window."""

    factor: float
    days: float

    def terms(self, terms: Terms) -> Terms:
        """Return terms with this choice."""
        return replace(terms, popularity=self.factor, popularity_days=self.days)


def choose_popularity(
    run: LoadedRun, head: SasRecHead, data: Dataset, config: TrainConfig, device: torch.device
) -> None:
    """Set ``head.terms.popularity`` and its days; where nothing is surely gained, to 0.

    Where something is, the head's weight and its other terms are chosen again beside it.

    Args:
        run: The finished causal LM.
        head: With its weight and its other terms.
        data: Its train split is counted, its valid split is asked.
        config: Says how many users.
        device: Of both.
    """
    head.terms = replace(head.terms, popularity=0.0)
    if not head.weight:
        return
    questions = draw_questions(data, config.validation.users, config.seed)
    told = popularity_before(RecentPopularity.of(data), questions, run)
    tried = [Choice(*each) for each in itertools.product(FACTORS, told)]
    if not tried or not surely_best(_by_head(run, head, questions, told, tried)):
        return
    most = [
        np.concatenate([_most_popular(of_window) for of_window in of_question])
        for of_question in zip(*told.values(), strict=True)
    ]
    found = find_and_judge(replace(run, sasrec_head=head), questions, device, also=most)
    at_rows = {days: scores_at(each, found.rows) for days, each in told.items()}

    def reached(choice: Choice | None) -> np.ndarray:
        if choice is None:
            return watched_ndcgs(found.ranks(head.weight, head.terms))
        known: Found = replace(found, popularity=at_rows[choice.days])
        return watched_ndcgs(known.ranks(head.weight, choice.terms(head.terms)))

    if best := surely_best([reached(None), *map(reached, tried)]):
        chosen = tried[best - 1]
        # What was chosen without it may have had to stand in for it.
        knows_popularity = replace(found, popularity=at_rows[chosen.days])
        terms = chosen.terms(head.terms)
        head.weight, head.terms = best_fusion(knows_popularity, likeness_of(head), terms)


def popularity_before(
    popularity: RecentPopularity, questions: Sequence[Question], run: LoadedRun
) -> Told:
    """Return what was popular before each question; without windows in which nothing was."""
    told = {
        days: [
            NOTHING
            if request.present is None
            else popularity.before(request.present, days, run.table)
            for request, _ in questions
        ]
        for days in DAYS
    }
    return {days: each for days, each in told.items() if any(len(one.rows) for one in each)}


def scores_at(told: Sequence[RowScores], rows: np.ndarray) -> np.ndarray:
    """Return the scores of some rows of each question, 0 where nothing is told. Shape: (Q, F)."""
    scores = np.zeros(rows.shape, dtype=np.float32)
    for own, asked, known in zip(scores, rows, told, strict=True):
        if len(known.rows):
            places = np.searchsorted(known.rows, asked).clip(max=len(known.rows) - 1)
            own[:] = np.where(known.rows[places] == asked, known.scores[places], 0.0)
    return scores


def _by_head(
    run: LoadedRun,
    head: SasRecHead,
    questions: Sequence[Question],
    told: Told,
    tried: Sequence[Choice],
) -> list[np.ndarray]:
    """Return the NDCG@10 of each question by the head alone: without popularity, and by choice."""
    ranks: list[list[Tensor]] = [[] for _ in (None, *tried)]
    asked, done = to_rows(run, questions), 0
    for parts, histories, targets in score_questions(head, ItemFeatures.of(run.table), asked):
        logits = leave_out_seen(parts.join(head.terms), histories)
        some = slice(done, done := done + len(logits))
        popular = {days: _of_all(each[some], logits) for days, each in told.items()}
        ranks[0].append(_ranks(logits, targets))
        for choice, of_choice in zip(tried, ranks[1:], strict=True):
            tilted = logits + choice.factor * popular[choice.days]
            of_choice.append(_ranks(tilted, targets))
    return [watched_ndcgs(torch.cat(each).cpu().numpy()) for each in ranks]


def _of_all(told: Sequence[RowScores], logits: Tensor) -> Tensor:
    """Return the scores of all items, 0 where nothing is told. Shape: that of ``logits``."""
    scores = torch.zeros_like(logits)
    for own, known in zip(scores, told, strict=True):
        own[torch.as_tensor(known.rows)] = torch.as_tensor(known.scores).to(own)
    return scores


def _ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the ranks of the targets, from 1. Shapes: (B, N), (B, 1) to (B,)."""
    return (scores > scores.gather(1, targets)).sum(dim=1) + 1


def _most_popular(known: RowScores) -> np.ndarray:
    return known.rows[np.argsort(-known.scores, kind="stable")[:NUM_JUDGED]]
