"""What training is steered by: NDCG@10 on sampled validation users, seen items left out.

The best of many looks at the same users is better on them than on anybody else. So whatever is
chosen after training is chosen by others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.metrics import WATCHED_CUTOFF, watched_ndcg
from genrec.model.load import LoadedRun
from genrec.model.loss import StreamLoss
from genrec.recommender import Recommender
from genrec.schema import Request
from genrec.training.config import TrainConfig

T = TypeVar("T")
Validate = Callable[[StreamLoss], float]
"""Takes the loss module, returns NDCG@10 on validation events."""
Question = tuple[Request, str]
"""A request, and the item that came next."""
USERS_TO_COMPARE = 2
"""Times the users of a look."""


@dataclass(frozen=True)
class Validation:
    """How weights are measured.

    Attributes:
        look: While training goes on, by the same users every time.
        compare: When it is over, by others; None where there are too few.
    """

    look: Validate
    compare: Validate | None


def list_questions(data: Dataset) -> list[Question]:
    """Ask for every user's first validation event; each with the item that it is."""
    return [
        (Request(example.history, at=first.timestamp, event_type=first.event_type), first.item_id)
        for example in data.examples("valid")
        for first in example.targets[:1]
    ]


def draw(questions: list[T], most: int, seed: int) -> list[T]:
    """Return so many of the questions, all where there are fewer; equal seeds draw the same."""
    return random.Random(seed).sample(questions, most) if len(questions) > most else questions


def split_users(
    questions: list[Question], users: int, times: int, seed: int
) -> tuple[list[Question], list[Question]]:
    """Draw the users of the looks, and so many times as many others; fewer where there are fewer.

    Equal seeds draw the same users, on every process.
    """
    looked_at = draw(questions, users, seed)
    known = {request.history.user_id for request, _ in looked_at}
    drawn = draw(questions, (1 + times) * users, seed)
    return looked_at, [each for each in drawn if each[0].history.user_id not in known]


def make_validation(
    config: TrainConfig, run: LoadedRun, data: Dataset, device: torch.device
) -> Validation | None:
    """Return the measures, or None where validation is off or has no users.

    Every process measures the same users, so that sharded models make the same forward calls.

    Args:
        config: Settings.
        run: Its model is the one that is measured.
        data: Where the users are from.
        device: Of the model.
    """
    users = config.validation.users
    if not users:
        return None
    looked_at, others = split_users(list_questions(data), users, USERS_TO_COMPARE, config.seed)
    if not looked_at:
        return None

    def measure(questions: Sequence[Question], module: StreamLoss) -> float:
        engine = TorchEngine(replace(run, model=module), device, config.validation.num_beams)
        requests = [request for request, _ in questions]
        found = Recommender(run, engine, data).rank_many(requests, WATCHED_CUTOFF)
        ranks = [
            next((item.rank for item in items if item.item_id == target), 0)
            for (_, target), items in zip(questions, found, strict=True)
        ]
        return watched_ndcg(np.array(ranks))

    enough = len(others) >= len(looked_at)
    return Validation(partial(measure, looked_at), partial(measure, others) if enough else None)
