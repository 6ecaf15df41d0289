"""Trains the SASRec head beside a base, and chooses its fusion weight on validation data."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator

from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.item_features import ItemFeatures
from genrec.model.load import LoadedRun
from genrec.model.loss import StreamLoss
from genrec.model.sasrec_head import SasRecHead
from genrec.model.sasrec_training import Recipe, choose_terms, fit_sasrec_head, to_questions
from genrec.training.config import TrainConfig
from genrec.training.fusion import choose_fusion
from genrec.training.new_items import HeadTraining, choose_new_item_boost
from genrec.training.popularity_factor import choose_popularity
from genrec.training.tell import tell
from genrec.training.wish_factor import choose_about_share, choose_wish_factor

MAX_QUESTIONS = 4000


class FittedHead(NamedTuple):
    """A SASRec head that no causal LM stands beside yet.

    Attributes:
        head: With its terms chosen, but not its weight.
        items: That it was trained on.
        training: What it was trained with.
    """

    head: SasRecHead
    items: ItemFeatures
    training: HeadTraining


def fit_head(
    accelerator: Accelerator, config: TrainConfig, run: LoadedRun, data: Dataset
) -> FittedHead:
    """Train the SASRec head of a table; see ``train_sasrec_head`` for the arguments."""
    if config.sasrec is None:
        raise ConfigError(
            "pairs are what a SASRec head says: leave sasrec in the settings, or mixture.pairs at 0"
        )
    row = run.table.index_of
    histories = [
        [row(event.item_id) for event in history.events] for history in data.histories("train")
    ]
    questions = to_questions(data.examples("valid"), row)
    drawn = np.random.default_rng(config.seed).permutation(len(questions))[:MAX_QUESTIONS]
    watched = [questions[index] for index in drawn] if config.validation.users else []
    items = ItemFeatures.of(run.table)
    recipe = Recipe(run.table.centroids, config.sasrec, config.seed, accelerator.device)
    head, curve = fit_sasrec_head(histories, watched, items, recipe)
    for look in curve:
        tell(
            accelerator,
            f"SASRec head, epoch {look['epoch']:.0f} · loss {look['loss']:.4f} · "
            f"validation NDCG@10 {look['ndcg@10']:.4f}",
        )
    choose_terms(head, histories, watched, items)
    return FittedHead(head, items, HeadTraining(histories, watched, recipe))


def train_sasrec_head(
    accelerator: Accelerator,
    config: TrainConfig,
    run: LoadedRun,
    data: Dataset,
    module: StreamLoss,
    fitted: FittedHead | None,
) -> SasRecHead | None:
    """Train the SASRec head of a table and choose its weight; None where it is left out.

    Args:
        accelerator: Its device is trained on.
        config: ``sasrec`` says how.
        run: Holds the table.
        data: Its train split is learned from; its valid split stops the training and chooses.
        module: The finished causal LM.
        fitted: Where the head was trained before the LM.
    """
    if config.sasrec is None:
        return None
    head, _, training = fitted or fit_head(accelerator, config, run, data)
    module.eval()
    # The module still has the mixed precision that Accelerate gave it, a third faster than float32
    # where a processor has bfloat16 (docs/lab-notes.md, "What follows a training").
    finished = replace(run, model=module)
    choose_fusion(finished, head, data, config, accelerator.device)
    choose_popularity(finished, head, data, config, accelerator.device)
    choose_wish_factor(finished, head, data, config, accelerator.device)
    choose_about_share(finished, head, data, config, accelerator.device)
    choose_new_item_boost(finished, head, training, data, config)
    terms = head.terms
    tell(
        accelerator,
        f"weight of the SASRec head: {head.weight:.0%} · factor of the transition counts: "
        f"{terms.transitions} · of the likeness of texts: {terms.likeness} · of popularity "
        f"in {terms.popularity_days:g} days: {terms.popularity} · boost of new items: "
        f"{head.new_item_boost:.2f} nats · factor of wishes: {terms.wish}, of which descriptions "
        f"of users get {terms.about:.0%}",
    )
    return head
