"""The moving average of the weights, held to what it is by its formula."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.training.averaging import AveragedWeights


def train(weights, share, rates=None):
    """Take a module through these weights; return it with its average."""
    module = torch.nn.Linear(1, 1, dtype=torch.float64)
    module.bias.requires_grad_(False)
    average = AveragedWeights(module, share)
    for step, weight in enumerate(weights, 1):
        torch.nn.init.constant_(module.weight, weight)
        average.update(step, 1.0 if rates is None else rates[step - 1])
    return module, average


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 1)), min_size=1, max_size=60),
    st.floats(0.05, 1),
)
def test_of_a_step_stays_what_no_later_one_has_taken(steps, share):
    weights, rates = np.array(steps).T
    module, average = train(weights, share, rates)
    parts = 1 / np.maximum(1, share * rates * np.arange(1, len(weights) + 1))
    left = np.append(np.cumprod((1 - parts)[::-1])[::-1][1:], 1)
    with average.swapped():
        assert module.weight.item() == pytest.approx(parts * left @ weights, abs=1e-9)
    assert module.weight.item() == weights[-1]


def test_all_steps_count_alike_at_a_share_of_one():
    module, average = train([1.0, 2.0, 6.0], share=1)
    average.swap()
    assert module.weight.item() == pytest.approx(3)


def test_the_last_two_fifths_count_for_seven_tenths_at_a_share_of_two_fifths():
    module, average = train([0.0] * 600 + [1.0] * 400, share=0.4)
    average.swap()
    assert module.weight.item() == pytest.approx(1 - 0.6**2.5, abs=0.01)


def test_weights_that_have_settled_are_their_own_average():
    rates = np.cos(np.linspace(0, np.pi / 2, 100))
    module, average = train(np.arange(100.0), share=1, rates=rates)
    average.swap()
    assert module.weight.item() == 99


def test_nothing_is_averaged_at_a_share_of_zero():
    module, average = train([1.0, 2.0], share=0)
    with average.swapped():
        assert module.weight.item() == 2
    assert module.weight.item() == 2


def test_what_is_not_trained_stays():
    module, average = train([1.0, 2.0], share=0.5)
    before = module.bias.item()
    torch.nn.init.constant_(module.bias, 7)
    average.swap()
    assert before != 7 and module.bias.item() == 7
