"""What early stopping watches: NDCG@10 on sampled validation users, seen items left out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.metrics import ndcg_of_ranks
from genrec.model.load import LoadedRun
from genrec.model.loss import StreamLoss
from genrec.recommender import Recommender
from genrec.schema import Example, Request
from genrec.training.config import TrainConfig

CUTOFF = 10


def make_validation(
    config: TrainConfig,
    run: LoadedRun,
    data: Dataset,
    device: torch.device,
    num_users: int | None = None,
) -> Callable[[StreamLoss], float] | None:
    """Return the measure, or None where validation is off or has no users.

    Every process measures the same users, so that sharded models make the same forward calls.

    Args:
        config: Settings.
        run: Its model is the one that is measured.
        data: Where the users are from.
        device: Of the model.
        num_users: How many to sample; None: as the settings say.
    """
    num_users = config.validation.users if num_users is None else num_users
    examples = _sample(list(data.examples("valid")) if num_users else [], num_users, config.seed)
    if not examples:
        return None
    requests = [
        Request(example.history, at=target.timestamp, event_type=target.event_type)
        for example in examples
        for target in example.targets[:1]
    ]

    def validate(module: StreamLoss) -> float:
        engine = TorchEngine(replace(run, model=module), device, config.validation.num_beams)
        found = Recommender(run, engine, data).rank_many(requests, CUTOFF)
        ranks = [
            next((item.rank for item in items if item.item_id == example.targets[0].item_id), 0)
            for example, items in zip(examples, found, strict=True)
        ]
        return float(ndcg_of_ranks(np.array(ranks), CUTOFF).mean())

    return validate


def _sample(examples: list[Example], count: int, seed: int) -> list[Example]:
    return examples if len(examples) <= count else random.Random(seed).sample(examples, count)
