"""What an item without training events deserves, learned by leaving items out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.model.item_features import ItemFeatures
from genrec.model.new_items import FEWEST_QUESTIONS, choose_new_item_boost
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_training import Recipe, choose_terms, fit_sasrec_head

KINDS, EACH = 4, 15
NUM_ITEMS = KINDS * EACH
CONFIG = SasRecHeadConfig(
    hidden_size=16, dropout=0.0, learning_rate=0.01, epochs=10, batch_size=32, num_negatives=16
)


@pytest.fixture(scope="module")
def world():
    """Users stay with a kind of items, which the text of each tells; the items are drawn evenly."""
    generator = np.random.default_rng(0)
    text = torch.eye(KINDS).repeat_interleave(EACH, dim=0)
    items = replace(ItemFeatures.plain(NUM_ITEMS), text=text)
    histories = [
        (generator.choice(EACH, size=5, replace=False) + EACH * generator.integers(KINDS)).tolist()
        for _ in range(600)
    ]
    questions = [(history[:-1], history[-1]) for history in histories]
    train = [history[:-1] for history in histories]
    return train, questions, items


def boost_of(world, config):
    train, questions, items = world
    recipe = Recipe(np.zeros((0, 1, 1)), config, seed=0)
    head, _ = fit_sasrec_head(train, questions, items, recipe)
    choose_terms(head, train, questions, items)
    choose_new_item_boost(head, train, questions, items, recipe)
    return head.terms.new_item_boost


def test_what_is_taken_as_often_as_the_rest_is_expected_as_often(world):
    """The head underrates what it never met; with the learned boost, shares are right again."""
    assert boost_of(world, CONFIG) > 0


def test_a_boost_that_is_fixed_is_not_learned(world):
    assert boost_of(world, CONFIG.model_copy(update={"new_item_boost": 1.25})) == 1.25


def test_too_few_questions_teach_no_boost(world):
    train, questions, items = world
    assert boost_of((train, questions[:FEWEST_QUESTIONS], items), CONFIG) == 0
    assert boost_of((train, [], items), CONFIG) == 0
