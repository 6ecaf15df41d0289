"""The forecaster of a run: fitted to validation windows, which nothing was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from accelerate import Accelerator

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.interests.timeline.forecast import Forecaster, fit_forecaster
from genrec.model.load import LoadedRun
from genrec.model.loss import StreamLoss
from genrec.schema import Event, Request
from genrec.training.config import TrainConfig
from genrec.training.validation import draw

MAX_WINDOWS = 4000


def train_forecaster(
    accelerator: Accelerator, config: TrainConfig, run: LoadedRun, data: Dataset, module: StreamLoss
) -> Forecaster | None:
    """Fit the forecast of the next window's interests; None where there is nothing to fit it to.

    Args:
        accelerator: Its device is asked.
        config: ``validation`` turned off leaves it out.
        run: Holds table and SASRec head.
        data: Its train split is known, its valid split is what then happened.
        module: The finished causal LM.
    """
    examples = list(data.examples("valid")) if config.validation.users else []
    if not examples:
        return None
    examples = draw(examples, MAX_WINDOWS, config.seed)
    table = run.table
    module.eval()
    engine = TorchEngine(replace(run, model=module), accelerator.device)
    requests = [Request(example.history) for example in examples]
    log_probs = engine.code_log_probs(run.encoder.prompts(requests))

    def codes_of(events: Sequence[Event]) -> np.ndarray:
        return table.first_codes(event.item_id for event in events)

    return fit_forecaster(
        [codes_of(history.events) for history in data.histories("train")],
        [codes_of(example.history.events) for example in examples],
        [codes_of(example.targets) for example in examples],
        log_probs,
        np.bincount(table.codes[:, 0], minlength=table.codebook_size) > 0,
    )
