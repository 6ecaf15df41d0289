"""Fine-tune a LoRA adapter on the task mixture, on top of a finished base.

accelerate launch train/sft.py --config train/configs/sft.yaml \
    data=runs/data base=runs/pretrain out=runs/sft
"""

from __future__ import annotations

from pathlib import Path

from genrec.model.load import load_run, reads_of
from genrec.model.lora import load_quantized, save_adapter
from genrec.model.lora_layers import add_adapter
from genrec.training.config import TrainConfig
from genrec.training.forecast import train_forecaster
from genrec.training.session import Session, run_command, run_session


def sft(config: TrainConfig) -> None:
    """Train and write an "sft" artifact: a plain PEFT folder with its manifest."""
    lora = config.lora
    session = run_session(
        config,
        lambda run: add_adapter(run.model, lora.rank, lora.alpha, lora.dropout),
        load_quantized if lora.qlora else load_run,
    )
    if session.accelerator.is_main_process:
        _finish(session)
    session.accelerator.wait_for_everyone()


def _finish(session: Session) -> None:
    """Train what goes with the adapter, and write the run."""
    config, run = session.config, session.run
    forecaster = train_forecaster(session.accelerator, config, run, session.data, session.module)
    settings = {**config.model_dump(mode="json"), **reads_of(run.encoder)}
    parents = {"base": config.base, **session.data_parent}

    def save(directory: Path) -> None:
        save_adapter(directory, config.out, session.module.model, settings, parents)

    session.write(save, forecaster)


def main() -> None:
    """Run the entry point."""
    run_command(sft, __doc__ or "")


if __name__ == "__main__":
    main()
