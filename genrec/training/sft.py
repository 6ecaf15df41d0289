"""Fine-tune a LoRA adapter on the task mixture, on top of a finished base.

accelerate launch train/sft.py --config train/configs/sft.yaml \
    data=runs/data base=runs/pretrain out=runs/sft
"""

from __future__ import annotations

from pathlib import Path

from genrec.model.load import load_run, reads_of
from genrec.model.lora import add_adapter, load_quantized, save_adapter
from genrec.training.config import TrainConfig
from genrec.training.forecast import train_forecaster
from genrec.training.session import run_command, run_session


def sft(config: TrainConfig) -> None:
    """Train and write an "sft" artifact: a plain PEFT folder with its manifest."""
    lora = config.lora
    session = run_session(
        config,
        lambda run: add_adapter(run.model, lora.rank, lora.alpha, lora.dropout),
        load_quantized if lora.qlora else load_run,
    )
    unwrapped = session.accelerator.unwrap_model(session.module)
    forecaster = train_forecaster(session.accelerator, config, session.run, session.data, unwrapped)
    settings = {**config.model_dump(mode="json"), **reads_of(session.run.encoder)}
    parents = {"base": config.base, **session.data_parent}

    def save(directory: Path) -> None:
        save_adapter(directory, config.out, session.module.model, settings, parents)

    session.write(save, forecaster)


def main() -> None:
    """Run the entry point."""
    run_command(sft, __doc__ or "")


if __name__ == "__main__":
    main()
