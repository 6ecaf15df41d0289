"""Chooses how much it counts that an item matches a wish, or its user's words, on validation.

Few logs hold enough searches to learn it from, so wishes are drawn for the items that came next
(``genrec.training.wishes``): from what the users themselves wrote of them afterwards, where they
did, and never from titles. Each is asked with the user's history and for somebody who has none, as
the factor must serve both. What users say of themselves, where the data hold any, gets a share of
it; half of the questions keep their history then, the others are asked for newcomers, and for what
the user took first.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from genrec.data import Dataset
from genrec.model.load import LoadedRun
from genrec.model.sasrec_head import SasRecHead
from genrec.schema import History, Item, Request
from genrec.semantic_ids.matching import Matcher
from genrec.training.config import TrainConfig
from genrec.training.fusion import Found, draw_questions, find_and_judge, heard_popularity
from genrec.training.validation import Question, draw
from genrec.training.wishes import WishSampler

SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)
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
    sampler = WishSampler(data, to_measure=True)
    asked = ask_with_wishes(_questions(data, config), sampler, opinions(data), rng)
    found = _judge(run, head, data, device, [(*each, each[0].query or "") for each in asked])
    if found is not None:
        tried = [replace(head.terms, wish=factor) for factor in FACTORS]
        head.terms = max(tried, key=lambda terms: found.ndcg(head.weight, terms))


def choose_about_share(
    run: LoadedRun, head: SasRecHead, data: Dataset, config: TrainConfig, device: torch.device
) -> None:
    """Set ``head.terms.about`` likewise; where nobody describes themselves, it stays as it is.

    Args:
        run: The finished causal LM.
        head: With its weight and the factor of wishes.
        data: Its valid split is asked.
        config: Says how many users.
        device: Of both.
    """
    described = [each for each in _questions(data, config) if each[0].history.about]
    asked = [
        question if number % 2 else as_newcomer(question)
        for number, question in enumerate(described)
    ]
    texts = [(*each, each[0].history.about or "") for each in asked]
    found = _judge(run, head, data, device, texts)
    if found is not None:
        wish = head.terms.wish
        share = max(
            SHARES,
            key=lambda share: found.ndcg(head.weight, replace(head.terms, wish=share * wish)),
        )
        head.terms = replace(head.terms, about=share)


def _questions(data: Dataset, config: TrainConfig) -> list[Question]:
    users, seed = config.validation.users, config.seed
    return draw(draw_questions(data, users, seed), users, seed)


def _judge(
    run: LoadedRun,
    head: SasRecHead,
    data: Dataset,
    device: torch.device,
    asked: Sequence[tuple[Request, str, str]],
) -> Found | None:
    """Find and judge items for requests, each with its target and the text that is matched.

    Returns:
        None where there is nothing to choose by.
    """
    if not asked:
        return None
    entries = data.items_by_id
    items = [entries.get(item_id) or Item(item_id) for item_id in run.table.item_ids]
    matcher = Matcher(items, run.table.review_words)
    questions = [(request, target) for request, target, _ in asked]
    matches = [matcher.matches(text) for *_, text in asked]
    popular = heard_popularity(head, data, questions, run.table)
    found = find_and_judge(replace(run, sasrec_head=head), questions, device, matches, popular)
    return found if found.is_target.any() else None


def without_events(history: History) -> History:
    """Return what is known of somebody who did nothing yet."""
    return replace(history, events=(), searches=())


def as_newcomer(question: Question) -> Question:
    """Return the question for what the same user took first, before anything was known of them."""
    request, _ = question
    first = request.history.events[0]
    known = without_events(request.history)
    return Request(known, first.timestamp, first.event_type), first.item_id


def opinions(data: Dataset) -> dict[str, str | None]:
    """Return what users wrote of their first validation item, by user ID."""
    return {
        example.history.user_id: first.opinion
        for example in data.examples("valid")
        for first in example.targets[:1]
    }


def ask_with_wishes(
    questions: list[Question],
    sampler: WishSampler,
    said: Mapping[str, str | None],
    rng: random.Random,
) -> list[Question]:
    """Give each question a wish for what came next, and ask it with its history and without.

    Args:
        questions: With the items that came next.
        sampler: Draws the wishes.
        said: What users wrote of these items, by user ID.
        rng: Source of chance.
    """
    asked = []
    for request, target in questions:
        wish = sampler.draw(target, rng, said.get(request.history.user_id))
        if wish is not None:
            for known in (request.history, without_events(request.history)):
                asked.append((replace(request, history=known, query=wish), target))
    return asked
