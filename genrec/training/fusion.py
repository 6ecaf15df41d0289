"""Chooses how causal LM and SASRec head are fused: the head's weight and its terms, all at once.

What helps the head alone may help less, or more, beside the LM. One search finds items for every
validation user, both scorers judge them once, and then every choice ranks them: a search under each
would read all prompts again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.metrics import watched_ndcg
from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.load import LoadedRun
from genrec.model.recent_popularity import RecentPopularity
from genrec.model.sasrec_head import SasRecHead, ScoreParts, Terms
from genrec.model.sasrec_training import Questions, score_questions
from genrec.schema import ModelSettings, Request
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import SemanticIdTable
from genrec.training.config import TrainConfig
from genrec.training.validation import Question, list_questions, split_users

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TRANSITIONS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
LIKENESS = (0.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 40.0)
"""Up to more than the head alone wants: the LM knows what its vectors know, but not these."""
UNTRIED_WEIGHT = 0.4
"""Where validation is off; and of the search that finds the items: most weights agree with it."""
NUM_FOUND = 50
CORNERS = (Terms(), Terms(transitions=8.0), Terms(likeness=32.0), Terms(8.0, 32.0))
NUM_BY_HEAD = 20
"""So many more are the best of the head under each of these; a search under one choice finds what
speaks for that choice."""
LM_ALONE = ModelSettings(sasrec_weight=0.0)
AT_ONCE, CACHE_MB = 32, 2048
"""Users whose prompts are kept between search and judgement, and how much may be kept of them."""
USERS_PER_LOOK = 4
"""It is chosen once, between near neighbours: on so many times the users of a look."""


@dataclass(frozen=True, eq=False)
class Found:
    """Items found for Q users, F each, and what every scorer says of them.

    Attributes:
        rows: Of the ID table, ``NO_ROW`` where a user has fewer than F. Shape: (Q, F).
        lm: Log-probability in nats, -inf where there is no item. Shape: (Q, F).
        logits: Of the SASRec head, before its terms; they follow, before their factors: counts,
            likeness, how well items match a wish, and popularity. Shape of each: (Q, F).
        is_target: Marks the item that came next, where it was found. Shape: (Q, F), bool.
    """

    rows: np.ndarray
    lm: np.ndarray
    logits: np.ndarray
    transitions: np.ndarray
    likeness: np.ndarray
    matches: np.ndarray
    popularity: np.ndarray
    is_target: np.ndarray

    def ndcg(self, weight: float, terms: Terms) -> float:
        """Return the mean NDCG@10 of a choice."""
        return watched_ndcg(self.ranks(weight, terms))

    def ranks(self, weight: float, terms: Terms) -> np.ndarray:
        """Return the rank of each target under a choice, from 1; 0: not found. Shape: (Q,)."""
        scores = self.scores(weight, terms)
        target = np.where(self.is_target, scores, -np.inf).max(axis=1, keepdims=True)
        ranks = (scores > target).sum(axis=1) + 1
        ranks[~self.is_target.any(axis=1)] = 0
        return np.asarray(ranks)

    def scores(self, weight: float, terms: Terms) -> np.ndarray:
        """Return what a choice says of each item, -inf where there is none. Shape: (Q, F).

        A search normalises what it fuses at every level; here the scores of whole items are fused,
        which ranks them almost alike (docs/lab-notes.md, Fusion while decoding).
        """
        head = self.logits + terms.transitions * self.transitions + terms.likeness * self.likeness
        head = head + terms.popularity * self.popularity
        scores = (1 - weight) * self.lm + weight * head
        # Matches count beside the LM alone, too.
        joined: np.ndarray = scores + (weight or 1.0) * terms.wish * self.matches
        return joined


def choose_fusion(
    run: LoadedRun, head: SasRecHead, data: Dataset, config: TrainConfig, device: torch.device
) -> None:
    """Set the head's weight and terms to those with the best NDCG@10 on validation users.

    Where nobody's next item is found there is nothing to choose by, and they stay as they are.

    Args:
        run: The finished causal LM.
        head: Trained, with the terms that are best for it alone.
        data: Its valid split is asked.
        config: Says how many users.
        device: Of both.
    """
    head.weight = UNTRIED_WEIGHT
    questions = draw_questions(data, config.validation.users, config.seed)
    if not questions:
        return
    found = find_and_judge(replace(run, sasrec_head=head), questions, device)
    if not found.is_target.any():
        return
    head.weight, head.terms = best_fusion(found, likeness_of(head))


def likeness_of(head: SasRecHead) -> Sequence[float]:
    """Return the factors to try for the likeness of texts."""
    return LIKENESS if head.text_network is not None else (0.0,)


def draw_questions(data: Dataset, users: int, seed: int) -> list[Question]:
    """Draw others than the users of the looks, if there are enough.

    The LM's best epoch may have been chosen by those, so it is better on them than on anybody else,
    and would get too great a say.
    """
    if not users:
        return []
    looked_at, others = split_users(list_questions(data), users, USERS_PER_LOOK, seed)
    return others if len(others) >= len(looked_at) else [*looked_at, *others]


def best_fusion(
    found: Found, likeness: Sequence[float], terms: Terms | None = None
) -> tuple[float, Terms]:
    """Return the weight and the terms with the best NDCG@10; of equal ones the smallest.

    Args:
        found: What they rank.
        likeness: Factors to try.
        terms: Whose other factors stay; None: those that any head begins with.
    """
    tried = list_fusions(likeness, Terms() if terms is None else terms)
    return max(tried, key=lambda choice: found.ndcg(*choice))


def list_fusions(likeness: Sequence[float], terms: Terms) -> list[tuple[float, Terms]]:
    """Return the weights and terms to choose among, smallest first; other factors stay.

    Args:
        likeness: Factors to try.
        terms: Whose other factors stay.
    """
    return [
        (weight, replace(terms, transitions=transitions, likeness=factor))
        for weight, transitions, factor in itertools.product(WEIGHTS, TRANSITIONS, likeness)
    ]


@torch.inference_mode()
def find_and_judge(
    run: LoadedRun,
    questions: Sequence[tuple[Request, str]],
    device: torch.device,
    matches: Sequence[RowScores] | None = None,
    popularity: Sequence[RowScores] | None = None,
    also: Sequence[np.ndarray] | None = None,
) -> Found:
    """Find items for each question with the fusion as it is and with the head, and judge them.

    Args:
        run: With its head, trained.
        questions: Q requests, each with the item that came next.
        device: Of both.
        matches: What matches the wish of each; None: nobody wishes for anything.
        popularity: What was popular before each; None: nothing is.
        also: Rows that are judged for each beside what is found; None: none are.
    """
    table, head = run.table, run.sasrec_head
    assert head is not None
    prompts = run.encoder.prompts([request for request, _ in questions])
    matches = [NOTHING] * len(questions) if matches is None else matches
    popularity = [NOTHING] * len(questions) if popularity is None else popularity
    also = [NOTHING.rows] * len(questions) if also is None else also
    queries = [
        ItemQuery(prompt, table.rows_of(request.forbidden), matches=found, popularity=popular)
        for prompt, (request, _), found, popular in zip(
            prompts, questions, matches, popularity, strict=True
        )
    ]
    asked = to_rows(run, questions)
    engine = TorchEngine(run, device, NUM_FOUND, session_cache_mb=CACHE_MB)
    rows: list[list[int]] = []
    judged: list[np.ndarray] = []
    by_lm: list[np.ndarray] = []
    for parts, histories, _ in score_questions(head, ItemFeatures.of(table), asked, AT_ONCE):
        # Search and judgement of some, then of others: what was read for the one serves the other.
        some = queries[len(rows) : len(rows) + len(histories)]
        searched = engine.items(some, NUM_FOUND)
        by_head = _best_of_head(parts, histories).cpu().numpy()
        unions = []
        for number, (query, best) in enumerate(zip(some, by_head, strict=True)):
            told = query.matches
            matching = told.rows[np.argsort(-told.scores, kind="stable")[:NUM_BY_HEAD]]
            judge = (searched[number].rows, best, matching, also[len(rows) + number])
            union = np.unique(np.concatenate(judge))
            unions.append(union.tolist())
            by_parts = [
                np.zeros(len(union)) if part is None else part[number, union].cpu().numpy()
                for part in parts
            ]
            judged.append(np.stack([*by_parts, told.at(union), query.popularity.at(union)]))
        # Beside an LM alone matches count as well, so they must not be told.
        unasked = [replace(query, matches=NOTHING, model=LM_ALONE) for query in some]
        by_lm.extend(engine.item_scores(unasked, unions))
        rows.extend(unions)
    width = max(map(len, rows))
    lm = np.stack([_pad(scores, width, -np.inf) for scores in by_lm])
    logits, transitions, likeness, matching, popular = (
        np.stack([_pad(each[part], width, 0.0) for each in judged]) for part in range(5)
    )
    places = np.stack([_pad(row, width, NO_ROW) for row in rows])
    is_target = (places == np.array([[target] for _, target in asked])) & np.isfinite(lm)
    return Found(places, lm, logits, transitions, likeness, matching, popular, is_target)


def heard_popularity(
    head: SasRecHead, data: Dataset, questions: Sequence[Question], table: SemanticIdTable
) -> list[RowScores] | None:
    """Return what was popular before each question, where the head heeds it; None: it does not."""
    if not head.terms.popularity:
        return None
    return popular_before(RecentPopularity.of(data), questions, head.terms.popularity_days, table)


def popular_before(
    popularity: RecentPopularity, questions: Sequence[Question], days: float, table: SemanticIdTable
) -> list[RowScores]:
    """Return what was taken in the days before each question."""
    return [popularity.before(request.present, days, table) for request, _ in questions]


def to_rows(run: LoadedRun, questions: Sequence[Question]) -> Questions:
    """Return what the head reads of each question, the events that the prompt holds, as rows."""
    table = run.table
    views = run.encoder.views([request.history for request, _ in questions])
    return [
        (
            [table.index_of(event.item_id) for event in request.history.events[view.start :]],
            table.index_of(target),
        )
        for (request, target), view in zip(questions, views, strict=True)
    ]


def leave_out_seen(logits: Tensor, histories: Tensor) -> Tensor:
    """Return logits with -inf for the items of each history. Shapes: (B, N), (B, T)."""
    left = logits.clone()
    users, columns = (histories != NO_ROW).nonzero(as_tuple=True)
    left[users, histories[users, columns]] = -torch.inf
    return left


def _best_of_head(parts: ScoreParts, histories: Tensor) -> Tensor:
    """Return the head's best unseen items under each of ``CORNERS``. Shape: (B, n)."""
    best = []
    for terms in CORNERS:
        logits = leave_out_seen(parts.join(terms), histories)
        best.append(logits.topk(min(NUM_BY_HEAD, logits.shape[1])).indices)
    return torch.cat(best, dim=1)


def _pad(values: Sequence[int] | np.ndarray, width: int, filler: float) -> np.ndarray:
    return np.pad(values, (0, width - len(values)), constant_values=filler)
