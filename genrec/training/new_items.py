"""What an item without training events deserves, learned by leaving items out of training.

A head that never met an item underrates it, and the causal LM gives it an equal share: by how much
too little depends on the log, and on who has how much of a say. So a tenth of the items is taken
out of the training events, a head is trained on the rest, and both find items for validation users,
those of the tenth as if they were new. New items gain by a boost what the others lose; among the
boosts under which all questions together, those about the tenth as often as people took them, are
answered about as well as they can be, the greatest is kept.

The causal LM is not trained again: it has met the items left out, but the search asks it no more of
them than of new ones, and what it says of the codes that they share with others is a small lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from genrec.data import Dataset
from genrec.metrics import watched_ndcg
from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.load import LoadedRun, with_table
from genrec.model.sasrec_head import SasRecHead
from genrec.model.sasrec_training import (
    Histories,
    Questions,
    Recipe,
    count_into,
    fit_sasrec_head,
)
from genrec.schema import Request
from genrec.training.config import TrainConfig
from genrec.training.fusion import Found, draw_questions, find_and_judge

LEFT_OUT = 0.1
"""Share of the items that the events are taken from."""
SEARCHED_WITH = 2.0
"""Boost of the search, so that the best of the items left out are found for everybody."""
BOOSTS = np.arange(0, 6.1, 0.1)
ABOUT_AS_WELL = 0.98
"""Of the best NDCG@10 of all questions."""
FEWEST_QUESTIONS = 20
"""About items left out; fewer say nothing, and there is no boost."""


@dataclass(frozen=True, eq=False)
class HeadTraining:
    """What a head was trained on.

    Attributes:
        histories: Training events.
        watched: Questions that stopped it.
        recipe: How.
    """

    histories: Histories
    watched: Questions
    recipe: Recipe

    def without(self, gone: set[int], items: ItemFeatures) -> SasRecHead:
        """Train another one as if some rows had never been taken, by anybody."""
        kept = [_without(history, gone) for history in self.histories]
        watched = [
            (_without(history, gone), target)
            for history, target in self.watched
            if target not in gone
        ]
        head, _ = fit_sasrec_head(kept, watched, items, self.recipe)
        count_into(head, kept, items)
        return head


def choose_new_item_boost(
    run: LoadedRun, head: SasRecHead, training: HeadTraining, data: Dataset, config: TrainConfig
) -> None:
    """Set ``head.new_item_boost``, unless the recipe fixes it.

    Args:
        run: The finished causal LM.
        head: Finished but for the boost.
        training: Of the head.
        data: Its valid split is asked.
        config: Says how many users.
    """
    boost = training.recipe.config.new_item_boost
    if boost is None:
        boost = _learn_boost(run, head, training, data, config)
    head.new_item_boost = boost


def _learn_boost(
    run: LoadedRun, head: SasRecHead, training: HeadTraining, data: Dataset, config: TrainConfig
) -> float:
    table, items = run.table, ItemFeatures.of(run.table)
    met = np.flatnonzero(items.trained.numpy() != NO_ROW)
    drawn = np.random.default_rng(config.seed).permutation(met)
    left_out = drawn[: max(round(LEFT_OUT * len(met)), 1)]
    names = {table.item_ids[row] for row in left_out}
    questions = [
        (_without_items(request, names), target)
        for request, target in draw_questions(data, config.validation.users, config.seed)
    ]
    taken = [target in names for _, target in questions]
    if not head.weight or sum(taken) < FEWEST_QUESTIONS or len(left_out) == len(met):
        return 0.0
    less = items.without(torch.as_tensor(left_out))
    trial = training.without(set(left_out.tolist()), less)
    trial.weight, trial.terms, trial.new_item_boost = head.weight, head.terms, SEARCHED_WITH
    known = replace(table, seen_in_training=less.trained.numpy() != NO_ROW)
    trial_run = with_table(replace(run, sasrec_head=trial), known, run.encoder.renderer.find_item)
    found = find_and_judge(trial_run, questions, torch.device(training.recipe.device))
    scores = found.scores(head.weight, head.terms)
    return greatest_boost(found, scores, np.isin(found.rows, left_out))


def greatest_boost(found: Found, scores: np.ndarray, is_new: np.ndarray) -> float:
    """Return the greatest boost under which the targets rank about as well as they can.

    Args:
        found: Knows the targets of Q users.
        scores: Of what was found, without a boost. Shape: (Q, F).
        is_new: What gets it. Shape: (Q, F), bool.

    Returns:
        Nats.
    """
    ndcg = np.array([watched_ndcg(found.ranks_by(scores + boost * is_new)) for boost in BOOSTS])
    return float(BOOSTS[np.flatnonzero(ndcg >= ABOUT_AS_WELL * ndcg.max())[-1]])


def _without_items(request: Request, names: set[str]) -> Request:
    """Return the request as if the user had never taken some items."""
    history = request.history
    places = [place for place, event in enumerate(history.events) if event.item_id in names]
    return replace(request, history=history.without(places))


def _without(history: Sequence[int], gone: set[int]) -> list[int]:
    return [row for row in history if row not in gone]
