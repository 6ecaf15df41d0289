"""What an item without training events deserves, learned by leaving items out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.metrics import watched_ndcg
from genrec.model.item_features import ItemFeatures
from genrec.model.load import load_run
from genrec.model.sasrec_training import Recipe, to_questions
from genrec.training import new_items
from genrec.training.config import TrainConfig, Validation
from genrec.training.fusion import Found
from genrec.training.new_items import (
    ABOUT_AS_WELL,
    BOOSTS,
    HeadTraining,
    choose_new_item_boost,
    greatest_boost,
)


def found_where(
    new_are_taken: float, users: int = 400, items: int = 12
) -> tuple[Found, np.ndarray]:
    """Scores that put the target first but for two nats that new items lack; the last two are."""
    draw, users, items = np.random.default_rng(0), 400, 12
    is_new = np.tile(np.arange(items) >= items - 2, (users, 1))
    old = draw.integers(items - 2, size=users)
    targets = np.where(draw.random(users) < new_are_taken, items - 1, old)
    is_target = np.eye(items, dtype=bool)[targets]
    scores = draw.normal(scale=0.1, size=is_target.shape) + is_target - 2 * is_new
    rows, nothing = np.tile(np.arange(items), (users, 1)), np.zeros(is_target.shape)
    return Found(rows, scores, *[nothing] * 4, is_target), is_new


def test_a_boost_gives_back_what_new_items_lack():
    """Three nats would put them before what the others took."""
    found, is_new = found_where(new_are_taken=0.3)
    assert 2 < greatest_boost(found, found.lm, is_new) < 3


def test_where_nobody_takes_new_items_the_boost_only_costs_what_it_may():
    found, is_new = found_where(new_are_taken=0.0)
    boost = greatest_boost(found, found.lm, is_new)
    plain, boosted = (
        watched_ndcg(found.ranks_by(found.lm + nats * is_new)) for nats in (0.0, boost)
    )
    beyond = watched_ndcg(found.ranks_by(found.lm + (boost + 0.1) * is_new))
    assert boosted >= ABOUT_AS_WELL * plain > beyond


@pytest.fixture(scope="module")
def trained(chain):
    """A run, its head, and what trained the head but briefly."""
    run, data = load_run(chain.pretrain), Dataset.load(chain.data)
    row = run.table.index_of
    histories = [[row(e.item_id) for e in history.events] for history in data.histories("train")]
    brief = run.sasrec_head.config.model_copy(update={"epochs": 2})
    watched = to_questions(data.examples("valid"), row)[:50]
    return run, data, HeadTraining(histories, watched, Recipe(run.table.centroids, brief, seed=0))


def learned(trained, chain, users=100, **recipe):
    run, data, training = trained
    config = training.recipe.config.model_copy(update=recipe)
    training = replace(training, recipe=replace(training.recipe, config=config))
    settings = TrainConfig(
        data=chain.data, base=chain.base, out=chain.base, validation=Validation(users=users)
    )
    choose_new_item_boost(run, run.sasrec_head, training, data, settings)
    return run.sasrec_head.new_item_boost


def test_a_trained_run_learns_one_and_keeps_its_own_table(trained, chain, monkeypatch):
    monkeypatch.setattr(new_items, "FEWEST_QUESTIONS", 10)
    run = trained[0]
    run.sasrec_head.weight = 0.5
    before = run.table.seen_in_training.copy()
    assert 0 < learned(trained, chain) <= BOOSTS[-1]
    assert (run.table.seen_in_training == before).all()
    assert run.sasrec_head.weight == 0.5


def test_a_boost_that_is_fixed_is_not_learned(trained, chain):
    assert learned(trained, chain, new_item_boost=1.25) == 1.25


def test_too_few_questions_and_a_head_without_a_say_teach_no_boost(trained, chain):
    run = trained[0]
    assert learned(trained, chain, users=0) == 0
    run.sasrec_head.weight = 0.0
    assert learned(trained, chain) == 0


def test_a_head_trained_without_items_has_neither_vectors_nor_counts_of_them(trained):
    run, _, training = trained
    gone = {0, 3}
    items = ItemFeatures.of(run.table).without(torch.tensor(sorted(gone)))
    head = training.without(gone, items)
    votes = head.transitions.to_votes()
    assert not votes[[*gone]].nnz and not votes[:, [*gone]].nnz and votes.nnz
