"""Train a base's full parameters (or its new rows, alone or with an adapter) on the streams.

accelerate launch train/pretrain.py --config train/configs/pretrain.yaml \
    data=runs/data base=runs/base out=runs/pretrain
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from genrec.artifacts import find_parent
from genrec.model.base import save_model
from genrec.model.load import base_settings, load_run, reads_of
from genrec.model.lora_layers import has_adapter
from genrec.model.sasrec_head import SasRecHead
from genrec.training.config import TrainConfig
from genrec.training.forecast import train_forecaster
from genrec.training.parameters import choose_parameters
from genrec.training.sasrec import train_sasrec_head
from genrec.training.session import Session, run_command, run_session


def pretrain(config: TrainConfig) -> None:
    """Train and write a "pretrain" artifact: a full model, ready to serve or to adapt."""
    session = run_session(config, lambda run: choose_parameters(run, config), load_run)
    if session.accelerator.is_main_process:
        _finish(session)
    session.accelerator.wait_for_everyone()


def _finish(session: Session) -> None:
    """Train what goes with the causal LM, and write the run."""
    accelerator, config, data = session.accelerator, session.config, session.data
    if has_adapter(session.module.model):
        # First, since whatever follows asks the model thousands of times.
        session.module.model = session.module.model.merge_and_unload()
    sasrec_head = train_sasrec_head(
        accelerator, config, session.run, data, session.module, session.fitted_head
    )
    run = replace(session.run, sasrec_head=sasrec_head)
    forecaster = train_forecaster(accelerator, config, run, data, session.module)

    def save(directory: Path) -> None:
        _save(directory, session, sasrec_head)

    session.write(save, forecaster)


def _save(directory: Path, session: Session, sasrec_head: SasRecHead | None) -> None:
    config = session.config
    model = session.module.model.to(getattr(torch, session.run.base_config.dtype))
    settings = {
        **config.model_dump(mode="json"),
        "base_settings": base_settings(config.base),
        **reads_of(session.run.encoder),
    }
    parents = {
        "index": find_parent(config.base, "index"),
        "base": config.base,
        **session.data_parent,
    }
    tokenizer = session.run.encoder.tokenizer
    save_model(directory, config.out, "pretrain", model, tokenizer, settings, parents, sasrec_head)


def main() -> None:
    """Run the entry point."""
    run_command(pretrain, __doc__ or "")


if __name__ == "__main__":
    main()
