"""What early stopping watches: NDCG@10 on sampled validation users, seen items left out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
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


def sample_questions(data: Dataset, num_users: int, seed: int) -> list[tuple[Request, str]]:
    """Ask for the first validation event of some users; each with the item that it is.

    Args:
        data: Where the users are from.
        num_users: Sampled; all where there are fewer.
        seed: Equal seeds ask the same users, on every process.
    """
    return draw(list_questions(data), num_users, seed) if num_users else []


def list_questions(data: Dataset) -> list[tuple[Request, str]]:
    """Ask for every user's first validation event; each with the item that it is."""
    return [
        (Request(example.history, at=first.timestamp, event_type=first.event_type), first.item_id)
        for example in data.examples("valid")
        for first in example.targets[:1]
    ]


def draw(questions: list[T], most: int, seed: int) -> list[T]:
    """Return so many of the questions, all where there are fewer; equal seeds draw the same."""
    return random.Random(seed).sample(questions, most) if len(questions) > most else questions


def make_validation(
    config: TrainConfig, run: LoadedRun, data: Dataset, device: torch.device
) -> Callable[[StreamLoss], float] | None:
    """Return the measure, or None where validation is off or has no users.

    Every process measures the same users, so that sharded models make the same forward calls.

    Args:
        config: Settings.
        run: Its model is the one that is measured.
        data: Where the users are from.
        device: Of the model.
    """
    questions = sample_questions(data, config.validation.users, config.seed)
    if not questions:
        return None
    requests = [request for request, _ in questions]

    def validate(module: StreamLoss) -> float:
        engine = TorchEngine(replace(run, model=module), device, config.validation.num_beams)
        found = Recommender(run, engine, data).rank_many(requests, WATCHED_CUTOFF)
        ranks = [
            next((item.rank for item in items if item.item_id == target), 0)
            for (_, target), items in zip(questions, found, strict=True)
        ]
        return watched_ndcg(np.array(ranks))

    return validate
