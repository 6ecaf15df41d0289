"""What an item without training events deserves, learned by leaving items out."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import example, given

from genrec.data import Dataset
from genrec.model.item_features import ItemFeatures
from genrec.model.load import load_run
from genrec.model.sasrec_training import Recipe, to_questions
from genrec.training.config import TrainConfig, Validation
from genrec.training.new_items import (
    HIGHEST,
    HeadTraining,
    boost_for_share,
    choose_new_item_boost,
)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
@example(0, 0.28)
def test_new_items_come_first_for_the_share_and_no_smaller_boost_does_it(seed, share):
    draw = np.random.default_rng(seed)
    scores, is_new = draw.normal(size=(50, 8)), draw.random((50, 8)) < 0.3
    scores[draw.random((50, 8)) < 0.1] = -np.inf
    boost = boost_for_share(scores, is_new, share)

    def first(boost):
        raised = np.where(is_new, scores + boost, -np.inf).max(axis=1)
        others = np.where(is_new, -np.inf, scores).max(axis=1)
        return np.mean((raised >= others) & np.isfinite(raised))

    assert 0 <= boost <= HIGHEST
    if boost < HIGHEST:
        assert first(boost + 1e-9) >= share - 1e-9
    if boost > 0:
        # 28% of 50 users are 14.000000000000002.
        assert first(boost - 1e-6) < share + 1e-9


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


def test_a_trained_run_learns_one_and_keeps_its_own_table(trained, chain):
    run = trained[0]
    head = run.sasrec_head
    # A head that goes by what followed what says nothing for items that followed nothing.
    head.weight, head.terms = 0.9, replace(head.terms, transitions=4.0, likeness=0.0)
    before = run.table.met.copy()
    assert 0 < learned(trained, chain) <= HIGHEST
    assert (run.table.met == before).all()
    assert head.weight == 0.9


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
