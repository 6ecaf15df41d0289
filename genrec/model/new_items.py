"""What an item without training events deserves: learned by leaving items out of training.

A head that never met an item underrates it, by how much depends on the log. So a tenth of the
items is taken out of the training events, a head is trained on the rest, and validation is asked
with those items among the others: the boost is the most likely one, that under which items of the
tenth are expected as often as people took them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.sasrec_head import SasRecHead
from genrec.model.sasrec_training import (
    Histories,
    Questions,
    Recipe,
    count_into,
    fit_sasrec_head,
    score_questions,
)

LEFT_OUT = 0.1
"""Share of the items that the events are taken from."""
BOOSTS = np.arange(0, 6.25, 0.25)
FEWEST_QUESTIONS = 20
"""About items left out; fewer say nothing, and there is no boost."""


def choose_new_item_boost(
    head: SasRecHead,
    histories: Histories,
    questions: Questions,
    items: ItemFeatures,
    recipe: Recipe,
) -> None:
    """Set ``head.terms.new_item_boost``, unless the recipe fixes it.

    Args:
        head: Finished but for the boost.
        histories: Training events.
        questions: Of validation.
        items: The catalogue.
        recipe: Of the head.
    """
    boost = recipe.config.new_item_boost
    if boost is None:
        boost = _most_likely_boost(head, histories, questions, items, recipe)
    head.terms = replace(head.terms, new_item_boost=boost)


def _most_likely_boost(
    head: SasRecHead,
    histories: Histories,
    questions: Questions,
    items: ItemFeatures,
    recipe: Recipe,
) -> float:
    met = np.flatnonzero(items.trained.numpy() != NO_ROW)
    drawn = np.random.default_rng(recipe.seed).permutation(met)
    left_out = drawn[: max(round(LEFT_OUT * len(met)), 1)]
    gone = set(left_out.tolist())
    asked = [(_without(history, gone), target) for history, target in questions]
    if sum(target in gone for _, target in asked) < FEWEST_QUESTIONS or len(gone) == len(met):
        return 0.0
    kept = [_without(history, gone) for history in histories]
    watched = [(history, target) for history, target in asked if target not in gone]
    less = items.without(torch.as_tensor(left_out))
    trial, _ = fit_sasrec_head(kept, watched, less, recipe)
    trial.terms = head.terms
    count_into(trial, kept, less)
    likelihood = _log_likelihood(trial, less, asked)
    return float(BOOSTS[int(likelihood.argmax())])


@torch.inference_mode()
def _log_likelihood(head: SasRecHead, items: ItemFeatures, questions: Questions) -> np.ndarray:
    """Return the mean log-probability of the targets under each boost. Shape: as ``BOOSTS``."""
    boosts = torch.as_tensor(BOOSTS, dtype=torch.float32)
    found: list[Tensor] = []
    for parts, histories, targets, catalogue in score_questions(head, items, questions):
        logits = parts.join(catalogue, head.terms).clone()
        rows, columns = (histories != NO_ROW).nonzero(as_tuple=True)
        wanted = logits.gather(1, targets)
        logits[rows, histories[rows, columns]] = -torch.inf
        is_new = catalogue.trained == NO_ROW
        old = logits[:, ~is_new].logsumexp(dim=1, keepdim=True)
        new = logits[:, is_new].logsumexp(dim=1, keepdim=True)
        by_boost = boosts.to(logits.device)
        total = torch.logaddexp(old, new + by_boost)
        found.append((wanted + is_new[targets] * by_boost - total).cpu())
    mean: np.ndarray = torch.cat(found).mean(dim=0).numpy()
    return mean


def _without(history: Sequence[int], gone: set[int]) -> list[int]:
    return [row for row in history if row not in gone]
