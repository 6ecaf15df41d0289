"""What an item without training events deserves, learned by leaving items out of training.

A head that never met an item underrates it, and the causal LM gives it an equal share: by how much
too little depends on the log, and on who has how much of a say. So a tenth of the items is taken
out of the training events, a head is trained on the rest, and both find items for validation users,
those of the tenth as if they were new. People take a tenth of the items, drawn by chance, a tenth
of the time: the boost is the one under which one of them comes first for a tenth of the users.

The causal LM is not trained again: it has met the items left out, but the search asks it no more of
them than of new ones, and what it says of the codes that they share with others is a small lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from genrec.data import Dataset
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
from genrec.training.fusion import draw_questions, find_and_judge, heard_popularity

LEFT_OUT = 0.1
"""Share of the items that the events are taken from."""
SEARCHED_WITH = 2.0
"""Boost of the search, so that the best of the items left out are found for everybody."""
HIGHEST = 10.0
"""Boosts that outvote everything mean nothing."""
FEWEST_QUESTIONS = 100
"""Fewer say nothing, and there is no boost."""


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
    if not head.weight or len(questions) < FEWEST_QUESTIONS or len(left_out) == len(met):
        return 0.0
    less = items.without(torch.as_tensor(left_out))
    trial = training.without(set(left_out.tolist()), less)
    trial.weight, trial.terms, trial.new_item_boost = head.weight, head.terms, SEARCHED_WITH
    known = replace(table, met=less.met_in_training())
    trial_run = with_table(replace(run, sasrec_head=trial), known, run.encoder.renderer.find_item)
    popular = heard_popularity(head, data, questions, table)
    if popular is not None:
        popular = [each.without(left_out) for each in popular]
    device = torch.device(training.recipe.device)
    found = find_and_judge(trial_run, questions, device, popularity=popular)
    scores = found.scores(head.weight, head.terms)
    return boost_for_share(scores, np.isin(found.rows, left_out), len(left_out) / len(met))


def boost_for_share(scores: np.ndarray, is_new: np.ndarray, share: float) -> float:
    """Return the smallest boost under which new items come first for a share of the users.

    Args:
        scores: Of items, -inf where there is none. Shape: (Q, F).
        is_new: Shape: (Q, F), bool.
        share: Of the users.

    Returns:
        Nats, not below 0.

    Examples:
        >>> scores = np.array([[3.0, 1.0], [3.0, 2.5], [3.0, 0.0]])
        >>> boost_for_share(scores, np.array([[False, True]] * 3), share=2 / 3)
        2.0
    """
    new = np.where(is_new, scores, -np.inf).max(axis=1)
    old = np.where(is_new, -np.inf, scores).max(axis=1)
    # Who has no new item is the last to get one.
    lacking = np.where(np.isneginf(new), HIGHEST, old - new)
    needed = np.quantile(lacking, share, method="inverted_cdf")
    return float(np.clip(needed, 0.0, HIGHEST))


def _without_items(request: Request, names: set[str]) -> Request:
    """Return the request as if the user had never taken some items."""
    history = request.history
    places = [place for place, event in enumerate(history.events) if event.item_id in names]
    return replace(request, history=history.without(places))


def _without(history: Sequence[int], gone: set[int]) -> list[int]:
    return [row for row in history if row not in gone]
