"""Chooses how much it counts that an item matches a wish, on validation.

Few logs hold enough searches to learn it from, so wishes are drawn for the items that came next
(``genrec.training.wishes``), never from their titles. Half of the questions keep their history, the
others are asked for somebody who has none: the factor must serve both.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from genrec.data import Dataset
from genrec.model.load import LoadedRun
from genrec.model.sasrec_head import SasRecHead
from genrec.schema import History, Item
from genrec.semantic_ids.matching import Matcher
from genrec.training.config import TrainConfig
from genrec.training.fusion import draw_questions, find_and_judge
from genrec.training.validation import Question, draw
from genrec.training.wishes import WishSampler

FACTORS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)


def choose_wish_factor(
    run: LoadedRun, head: SasRecHead, data: Dataset, config: TrainConfig, device: torch.device
) -> None:
    """Set ``head.terms.wish`` to the factor with the best NDCG@10; of equal ones the smallest.

    Where nothing can be wished for, or no target is found, it stays as it is.

    Args:
        run: The finished causal LM.
        head: With its weight and its other terms.
        data: Its valid split is asked.
        config: Says how many users.
        device: Of both.
    """
    rng = random.Random(config.seed)
    questions = draw(
        draw_questions(data, config.validation.users, config.seed),
        config.validation.users,
        config.seed,
    )
    asked = ask_with_wishes(questions, WishSampler(data, to_measure=True), rng)
    if not asked or not head.weight:
        return
    items = data.items_by_id
    matcher = Matcher([items.get(item_id) or Item(item_id) for item_id in run.table.item_ids])
    matches = [matcher.matches(request.query or "") for request, _ in asked]
    found = find_and_judge(replace(run, sasrec_head=head), asked, device, matches)
    if found.is_target.any():
        tried = [replace(head.terms, wish=factor) for factor in FACTORS]
        head.terms = max(tried, key=lambda terms: found.ndcg(head.weight, terms))


def ask_with_wishes(
    questions: list[Question], sampler: WishSampler, rng: random.Random
) -> list[Question]:
    """Give each question a wish for what came next, and take every other one's history away."""
    asked = []
    for number, (request, target) in enumerate(questions):
        wish = sampler.draw(target, rng)
        if wish is not None:
            known = request.history if number % 2 else History(request.history.user_id, ())
            asked.append((replace(request, history=known, query=wish), target))
    return asked
