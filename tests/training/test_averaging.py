"""The moving average of the weights, held to what it is by its formula."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.training.averaging import AveragedWeights


def train(weights, share):
    """Take a module through these weights; return it with its average."""
    module = torch.nn.Linear(1, 1, dtype=torch.float64)
    module.bias.requires_grad_(False)
    average = AveragedWeights(module, share)
    for step, weight in enumerate(weights, 1):
        torch.nn.init.constant_(module.weight, weight)
        average.update(step)
    return module, average


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.floats(0.05, 1))
def test_a_step_counts_by_a_power_of_its_number(weights, share):
    module, average = train(weights, share)
    # Of step i stays what no later step has taken: the product of (1 - 1 / (share * t)) over t > i.
    parts = np.minimum(1, 1 / (share * np.arange(1, len(weights) + 1)))
    left = np.append(np.cumprod((1 - parts)[::-1])[::-1][1:], 1)
    with average.swapped():
        assert module.weight.item() == pytest.approx(parts * left @ weights, abs=1e-9)
    assert module.weight.item() == weights[-1]


def test_all_steps_count_alike_at_a_share_of_one():
    module, average = train([1.0, 2.0, 6.0], share=1)
    average.swap()
    assert module.weight.item() == pytest.approx(3)


def test_the_last_fifth_counts_for_two_thirds_at_a_share_of_a_fifth():
    module, average = train([0.0] * 800 + [1.0] * 200, share=0.2)
    average.swap()
    assert module.weight.item() == pytest.approx(1 - 0.8**5, abs=0.01)


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
