"""A device that is not there is named, with those that are, by every way to ask for one."""

import pytest
import torch

from genrec import Recommender
from genrec.baselines.fit_and_evaluate import fit_and_evaluate
from genrec.devices import choose_device
from genrec.errors import ConfigError

ABSENT = ["gpu", "cuda:99", "CPU", "", *([] if torch.cuda.is_available() else ["cuda"])]


@pytest.mark.parametrize("device", ABSENT)
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ConfigError, match=f"no device '{device}' here; choose cpu"):
        choose_device(device)


def test_the_default_is_there():
    assert torch.empty(1, device=choose_device()).device.type == choose_device()


def test_runs_and_baselines_say_it(chain):
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        Recommender.from_pretrained(chain.sft, device="gpu")
    with pytest.raises(ConfigError, match="no device 'gpu'"):
        fit_and_evaluate("sasrec", chain.data, device="gpu")
