"""The product is torch's own, whichever library makes it."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import genrec.linear
from genrec.linear import Linear, linear, speed_up


@pytest.fixture(autouse=True)
def onednn(monkeypatch):
    """Take oneDNN on every processor, for products of every size."""
    monkeypatch.setattr(genrec.linear, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(genrec.linear, "WORTH_ONEDNN", 0)


@pytest.mark.parametrize("shape", [(1, 7), (3, 5, 7), (0, 7), (2, 3, 4, 7)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_products_equal_float64_to_the_rounding_of_float32(shape, has_bias):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    weight = torch.randn(11, 7, generator=generator)
    bias = torch.randn(11, generator=generator) if has_bias else None
    wanted = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    with torch.inference_mode():
        found = linear(x, weight, bias)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch():
    x, weight = torch.randn(40, 64), torch.randn(32, 64)
    with torch.inference_mode():
        alone = torch.cat([linear(row[None], weight) for row in x])
        np.testing.assert_allclose(linear(x, weight), alone, atol=1e-5)


def test_gradients_autocast_and_half_precision_are_left_to_torch():
    layer = torch.nn.Sequential(torch.nn.Linear(4, 3))
    speed_up(layer)
    layer(torch.ones(2, 4)).sum().backward()
    assert layer[0].weight.grad is not None
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(2, 4)).dtype == torch.bfloat16
    with torch.no_grad():
        assert layer.bfloat16()(torch.ones(2, 4).bfloat16()).dtype == torch.bfloat16


def test_a_layer_stays_what_it_was_but_for_its_product():
    class Own(torch.nn.Linear):
        pass

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), Own(3, 2))
    names = list(model.state_dict())
    speed_up(model)
    assert [type(layer) for layer in model] == [Linear, Own]
    assert list(model.state_dict()) == names
    with torch.no_grad():
        x = torch.ones(1, 4)
        np.testing.assert_allclose(copy.deepcopy(model)(x), model(x))
        np.testing.assert_allclose(pickle.loads(pickle.dumps(model[0]))(x), model[0](x))
