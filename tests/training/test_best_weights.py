"""Which weights a training ends with: those of its best look, or the last."""

import math
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from genrec.model.fit import EarlyStopping
from genrec.training.checkpoints import write_weights
from genrec.training.loop import Progress, _take_best
from genrec.training.validation import Validation

BEST, LAST = 1.0, 2.0


@pytest.mark.parametrize(
    ("others", "stale", "kept"),
    [
        ({BEST: 0.3, LAST: 0.4}, 3, LAST),
        ({BEST: 0.4, LAST: 0.3}, 3, BEST),
        ({BEST: 0.4, LAST: 0.4}, 3, LAST),
        (None, 3, BEST),
        ({BEST: math.nan, LAST: math.nan}, 0, BEST),
    ],
    ids=["the last is better", "the best look is", "alike", "nobody else", "the last look is best"],
)
def test_other_users_choose_between_the_best_look_and_the_last(tmp_path, others, stale, kept):
    workspace = SimpleNamespace(best=tmp_path / "best.pt", last=tmp_path / "last.pt")
    accelerator, module = Accelerator(cpu=True), torch.nn.Linear(1, 1)

    def fill(value):
        torch.nn.init.constant_(module.weight, value)

    def look(measured):
        raise AssertionError("nobody looks once more")

    def compare(measured):
        return others[measured.weight.item()]

    fill(BEST)
    write_weights(accelerator, module, workspace.best)
    fill(LAST)
    validation = Validation(look, compare if others else None)
    state = Progress(EarlyStopping(5, best=0.5, stale=stale))
    _take_best(accelerator, module, workspace, validation, state)
    assert module.weight.item() == kept
