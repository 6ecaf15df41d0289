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
from genrec.semantic_ids.row_scores import RowScores
from genrec.training.choice import surely_best
from genrec.training.config import TrainConfig
from genrec.training.fusion import (
    best_fusion,
    draw_questions,
    find_and_judge,
    leave_out_seen,
    likeness_of,
    popular_before,
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
    told = _in_windows(RecentPopularity.of(data), questions, run)
    tried = [Choice(*each) for each in itertools.product(FACTORS, told)]
    if not tried or not surely_best(_by_head(run, head, questions, told, tried)):
        return
    most = [
        np.concatenate([_most_popular(of_window) for of_window in of_question])
        for of_question in zip(*told.values(), strict=True)
    ]
    found = find_and_judge(replace(run, sasrec_head=head), questions, device, also=most)
    knowing = {
        days: replace(
            found,
            popularity=np.stack([
                one.at(rows) for one, rows in zip(of_window, found.rows, strict=True)
            ]),
        )
        for days, of_window in told.items()
    }  # fmt: skip

    def reached(choice: Choice) -> np.ndarray:
        return watched_ndcgs(knowing[choice.days].ranks(head.weight, choice.terms(head.terms)))

    without = watched_ndcgs(found.ranks(head.weight, head.terms))
    if best := surely_best([without, *map(reached, tried)]):
        chosen = tried[best - 1]
        # What was chosen without it may have had to stand in for it.
        terms = chosen.terms(head.terms)
        head.weight, head.terms = best_fusion(knowing[chosen.days], likeness_of(head), terms)


def _in_windows(
    popularity: RecentPopularity, questions: Sequence[Question], run: LoadedRun
) -> Told:
    """Return what was popular before each question; without windows in which nothing was."""
    told = {days: popular_before(popularity, questions, days, run.table) for days in DAYS}
    return {days: each for days, each in told.items() if any(len(one.rows) for one in each)}


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
