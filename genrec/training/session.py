"""What both entry points do around the loop: parse, load, build the corpus, train."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from genrec.artifacts import read_manifest, save_manifest, write_aside
from genrec.config import dump_yaml, load_config
from genrec.data import Dataset
from genrec.errors import ConfigError, GenrecError
from genrec.interests.timeline.forecast import Forecaster
from genrec.model.item_loss import ItemLoss
from genrec.model.load import LoadedRun
from genrec.model.loss import StreamLoss
from genrec.model.packed_attention import packing_pays
from genrec.model.precision import multiplies_bfloat16
from genrec.model.vocabulary import new_rows
from genrec.progress import console, error_line
from genrec.schema import History
from genrec.training.config import TrainConfig
from genrec.training.corpus import Corpus, write_corpus
from genrec.training.loop import (
    Progress,
    loss_weights,
    make_accelerator,
    train,
    write_curve,
)
from genrec.training.pairs import draw_pairs, pair_histories
from genrec.training.parameters import make_optimizer
from genrec.training.sasrec import FittedHead, fit_head
from genrec.training.speed import compile_layers
from genrec.training.tell import tell
from genrec.training.validation import make_validation
from genrec.training.workspace import Workspace


@dataclass
class Session:
    """A finished training, its best weights in ``module``.

    On the first process the module is whole; what comes after training is done there, once. A
    SASRec head that was trained before, for its pairs, is there, too, unless training was cut off.
    """

    accelerator: Accelerator
    config: TrainConfig
    workspace: Workspace
    run: LoadedRun
    data: Dataset
    module: StreamLoss
    progress: Progress
    fitted_head: FittedHead | None = None

    @property
    def data_parent(self) -> dict[str, Path]:
        """The data as an artifact's parent, where it is not what the base's table was made of."""
        same = self.config.data.resolve() == self.run.data.resolve()
        return {} if same else {"data": self.config.data}

    def write(self, save: Callable[[Path], None], forecaster: Forecaster | None) -> None:
        """Write the run: its weights, and what every run has beside them; on the first process.

        If training was cut off on the way, the manifest says so.

        Args:
            save: Writes weights and manifest into a folder.
            forecaster: None: it was not trained.
        """
        with write_aside(self.config.out) as directory:
            save(directory)
            if forecaster is not None:
                forecaster.save(directory)
            write_curve(directory, self.progress)
            self.workspace.keep_logs(directory)
            if resumed := self.workspace.resumed():
                save_manifest(directory, replace(read_manifest(directory), resumed=resumed))
        self.workspace.close()


def run_command(train_run: Callable[[TrainConfig], None], description: str) -> None:
    """Parse the command line of an entry point and run it; exit with 2 on the user's fault."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path, help="YAML file of settings (see train/configs)")
    parser.add_argument("--qlora", action="store_true", help="load the base in 4 bits (sft only)")
    parser.add_argument("--dry-run", action="store_true", help="print the resolved settings")
    parser.add_argument("overrides", nargs="*", help="settings as name=value, dotted")
    arguments = parser.parse_args()
    try:
        overrides = [*arguments.overrides, *(["lora.qlora=true"] if arguments.qlora else [])]
        config = load_config(TrainConfig, arguments.config, overrides)
        if arguments.dry_run:
            sys.stdout.write(dump_yaml(config))
            return
        train_run(config)
    except GenrecError as error:
        console.print(error_line(error), soft_wrap=True)
        raise SystemExit(2) from None


def run_session(
    config: TrainConfig,
    prepare_model: Callable[[LoadedRun], Any],
    load: Callable[..., LoadedRun],
    learns_to_read: bool = True,
) -> Session:
    """Train a model on a prepared data set.

    Args:
        config: Settings.
        prepare_model: Turns the loaded base into the model to train (freezing, adapters).
        load: Loads the base.
        learns_to_read: Whether searches and descriptions in the data are written into the stream
            though the loaded run does not read any yet.

    Raises:
        ConfigError: The data has items that the base's table lacks, or nothing to train on.
    """
    workspace = Workspace(config)
    accelerator = make_accelerator(config, workspace)
    with accelerator.main_process_first():
        workspace.open()
    is_slow = accelerator.mixed_precision == "bf16" and not multiplies_bfloat16(accelerator.device)
    if is_slow:
        tell(
            accelerator,
            "this machine emulates bfloat16, up to ten times slower than float32 is: better leave "
            "--mixed_precision at 'no'",
        )
    run = load(config.base)
    row_tokens = config.row_tokens or run.base_config.context_tokens
    if row_tokens < run.base_config.context_tokens:
        raise ConfigError(
            f"row_tokens={row_tokens} is less than the base's context of "
            f"{run.base_config.context_tokens} tokens"
        )
    data = Dataset.load(config.data)
    data.check_events()
    if learns_to_read and (config.mixture.wishes or data.has_searches):
        run = replace(run, encoder=replace(run.encoder, reads_searches=True))
    if learns_to_read and data.descriptions:
        run = replace(run, encoder=replace(run.encoder, reads_about=True))
    if unknown := [item_id for item_id in data.item_index if not run.table.knows(item_id)]:
        raise ConfigError(
            f"{config.data} has {len(unknown)} items that {config.base} has no semantic ID for, "
            f"such as '{unknown[0]}'; train on the data it was built for or on events of its items"
        )
    fitted = None
    if accelerator.is_main_process and not workspace.corpus.exists():
        pairs: Iterable[History] = ()
        if config.mixture.pairs:
            fitted = fit_head(accelerator, config, run, data)
            drawn = draw_pairs(fitted.head, fitted.items, config.seed)
            pairs = pair_histories(drawn, run.table.item_ids, data.histories("train"), config.seed)
        write_corpus(workspace.corpus, data, run.encoder, config.mixture, config.seed, pairs)
    accelerator.wait_for_everyone()
    corpus = Corpus(
        workspace.corpus,
        config.mixture,
        row_tokens,
        config.rows_per_step,
        run.encoder.tokenizer.pad_token_id,
        config.seed,
    )
    module = _make_module(accelerator, config, run, prepare_model)
    validation = make_validation(config, run, data, accelerator.device)
    if validation is None and config.validation.users:
        tell(
            accelerator,
            f"{config.data} has no validation events: nothing is stopped early or chosen by them, "
            "and the last weights are kept",
        )
    optimizer = make_optimizer(module.model, run, config)
    progress = train(accelerator, module, optimizer, corpus, config, workspace, validation)
    if accelerator.is_fsdp2:
        weights = accelerator.get_state_dict(module)
        if accelerator.is_main_process:
            module = _make_module(accelerator, config, load(config.base), prepare_model)
            module.load_state_dict(weights)
            module = module.to(accelerator.device)
    return Session(accelerator, config, workspace, run, data, module, progress, fitted)


def _make_module(
    accelerator: Accelerator,
    config: TrainConfig,
    run: LoadedRun,
    prepare_model: Callable[[LoadedRun], Any],
) -> StreamLoss:
    """Return the model to train with its loss."""
    model = prepare_model(run)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.compile_layers:
        compile_layers(model)
    return StreamLoss(
        model,
        ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening),
        loss_weights(config.mixture),
        config.embedding_dropout,
        packed_attention=packing_pays(
            model, accelerator.device.type, accelerator.mixed_precision in ("bf16", "fp16")
        ),
        trained_rows=None
        if config.trainable == "all"
        else new_rows(run.encoder.tokenizer, run.table),
    )
