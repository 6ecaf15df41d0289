"""The training loop both entry points share, on Accelerate.

Nothing random depends on how far a run got: the batch of every step follows from the seed, and a
checkpoint holds weights, optimizer, schedule and random states. A run that was killed and started
again ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedType,
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
    ProjectConfiguration,
    set_seed,
)
from transformers import get_cosine_schedule_with_warmup

from genrec.errors import ConfigError
from genrec.model.fit import EarlyStopping, check_finite
from genrec.model.loss import StreamLoss, Target
from genrec.progress import progress
from genrec.training.checkpoints import Checkpoints, read_weights, write_weights
from genrec.training.config import Mixture, TrainConfig
from genrec.training.corpus import Corpus
from genrec.training.read_ahead import read_ahead
from genrec.training.tell import tell
from genrec.training.validation import Validate, Validation
from genrec.training.workspace import Workspace

LONGEST_WAIT = timedelta(hours=12)
"""Of processes for one another."""


@dataclass
class Progress:
    """Where a run is; part of every checkpoint.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished inside the present epoch.
        stopping: Best validation NDCG@10 so far, and validations since.
        curve: One entry per validation: epoch, training loss, NDCG@10.
    """

    stopping: EarlyStopping
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    loss_weight: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint stores."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint stored."""
        self.__dict__.update(state, stopping=EarlyStopping(**state["stopping"]))


def loss_weights(mixture: Mixture) -> dict[Target, float]:
    """Return the loss weight of every kind of target."""
    return {
        Target.ITEM: 1.0,
        Target.REVIEW: mixture.review_weight,
        Target.WORDS: mixture.words_weight,
        Target.TITLE: mixture.text_weight,
        Target.INTERESTS: mixture.text_weight,
    }


def make_accelerator(config: TrainConfig, workspace: Workspace) -> Accelerator:
    """Return an accelerator that accumulates until a step's rows are used up.

    Raises:
        ConfigError: It was launched in a way that training knows nothing of.
    """
    accelerator = Accelerator(
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            num_steps=1, sync_with_dataloader=False
        ),
        # The first process tokenizes the log, or trains the SASRec head, while the others wait.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
        log_with=config.trackers or None,
        project_config=ProjectConfiguration(
            project_dir=str(workspace.path), logging_dir=str(workspace.path / "logs")
        ),
    )
    check_launch(accelerator, config)
    set_seed(config.seed)
    return accelerator


def check_launch(accelerator: Accelerator, config: TrainConfig) -> None:
    """Refuse ways to share a model among processes in which it would not learn what it should.

    Raises:
        ConfigError: Naming one that will do.
    """
    kind = accelerator.distributed_type
    if kind in (DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM):
        raise ConfigError(
            f"training does not run on {kind.value}: launch it with one of train/accelerate, "
            "multi_gpu.yaml (a copy of the model on each GPU) or fsdp2.yaml (cut among them)"
        )
    if kind == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise ConfigError(
            "training needs FSDP2: set fsdp_version to 2, as train/accelerate/fsdp2.yaml"
        )
    if kind == DistributedType.FSDP and config.lora.qlora:
        raise ConfigError(
            "FSDP2 does not cut 4-bit weights; launch QLoRA with train/accelerate/multi_gpu.yaml"
        )


def train(
    accelerator: Accelerator,
    module: StreamLoss,
    optimizer: torch.optim.Optimizer,
    corpus: Corpus,
    config: TrainConfig,
    workspace: Workspace,
    validation: Validation | None,
) -> Progress:
    """Train ``module`` and leave it holding its best weights.

    They are those of the best look, or the last, whichever other users like better: looks at few
    users often find the best weights too early.

    Args:
        accelerator: Of ``make_accelerator``.
        module: Model with its loss.
        optimizer: Of its parameters.
        corpus: Training samples.
        config: Settings.
        workspace: Where checkpoints lie.
        validation: Measures the model; None keeps the last weights.

    Raises:
        ConfigError: There is nothing to train on.
        ArtifactError: A checkpoint is damaged.
        TrainingError: The loss is not finite; the checkpoint before stays.
    """
    steps_per_epoch = len(corpus.steps(0))
    if not steps_per_epoch:
        raise ConfigError(f"{config.data} has no events to train on, nor items for other tasks")
    total = steps_per_epoch * config.epochs
    schedule = get_cosine_schedule_with_warmup(
        optimizer, round(total * config.optimizer.warmup_share), total
    )
    module, optimizer = accelerator.prepare(module, optimizer)
    state = Progress(EarlyStopping(config.validation.patience))
    accelerator.register_for_checkpointing(state, schedule)
    checkpoints = Checkpoints(accelerator, workspace)
    checkpoints.resume()
    if config.trackers:
        accelerator.init_trackers("genrec")
    done = state.epoch * steps_per_epoch + state.step
    if done and accelerator.is_main_process:
        workspace.note_resumed(done)
    with progress() as bar:
        task = bar.add_task("training", total=total, completed=done, note="")
        while state.epoch < config.epochs and not state.stopping.is_over:
            steps = corpus.steps(state.epoch)[state.step :]
            batches = (partial(_share, accelerator, corpus, rows, config) for rows in steps)
            for micro in read_ahead(batches):
                module.train()
                done += 1
                loss = _train_step(
                    accelerator, module, optimizer, schedule, micro, config, state, done
                )
                state.step += 1
                bar.update(task, advance=1, note=f"loss {loss:.3f}")
                if config.trackers and done % 10 == 0:
                    accelerator.log({"loss": loss, "lr": schedule.get_last_lr()[0]}, step=done)
                if config.checkpoint_steps and done % config.checkpoint_steps == 0:
                    checkpoints.write(done)
            _finish_epoch(accelerator, module, config, workspace, validation, state, done)
            checkpoints.write(done)
            bar.update(task, note=f"NDCG@10 {state.stopping.best:.4f}")
    if validation is not None:
        _take_best(accelerator, module, workspace, validation, state)
    if config.trackers:
        accelerator.end_training()
    return state


def _share(
    accelerator: Accelerator, corpus: Corpus, rows: list[list[int]], config: TrainConfig
) -> list[dict[str, torch.Tensor]]:
    """Return the batches of this process's share of a step's rows."""
    # Every step makes the same number of passes on every process, also the last of an epoch, so
    # that Accelerate's count of them stays in step with ours; a missing row is an empty one.
    share = math.ceil(config.rows_per_step / accelerator.num_processes)
    mine = rows[accelerator.process_index * share :][:share]
    mine = mine + [[] for _ in range(share - len(mine))]
    return [
        corpus.batch(mine[start : start + config.rows_per_device])
        for start in range(0, share, config.rows_per_device)
    ]


def _train_step(
    accelerator: Accelerator,
    module: Any,
    optimizer: Any,
    schedule: Any,
    micro: list[dict[str, torch.Tensor]],
    config: TrainConfig,
    state: Progress,
    number: int,
) -> float:
    """Take optimizer step ``number`` over all processes' batches; return the mean loss.

    Raises:
        TrainingError: The loss or its gradient is not finite.
    """
    processes = accelerator.num_processes
    unwrapped = accelerator.unwrap_model(module)
    weight = sum(unwrapped.weights.cpu()[batch["targets"][:, 1:]].sum() for batch in micro)
    weight = accelerator.reduce(torch.as_tensor(weight).to(accelerator.device), "sum")
    accelerator.gradient_accumulation_steps = len(micro)
    total = torch.zeros((), device=accelerator.device)
    for batch in micro:
        with accelerator.accumulate(module):
            batch = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
            with accelerator.autocast():
                loss, _ = module(**batch)
            total += loss.detach()
            # Gradients are averaged over passes and processes: undo both, divide by the weight.
            accelerator.backward(loss * (len(micro) * processes) / weight)
            if accelerator.sync_gradients:
                unwrapped.drop_gradients()
                norm = accelerator.clip_grad_norm_(
                    module.parameters(), config.optimizer.max_grad_norm
                )
                # With float16 a norm is infinite now and then: its scaler leaves such steps out.
                if norm is not None and accelerator.scaler is None:
                    check_finite("norm of the gradient", float(norm), number)
            optimizer.step()
            optimizer.zero_grad()
    schedule.step()
    total = accelerator.reduce(total, "sum")
    check_finite("loss", float(total), number)
    state.loss_sum += float(total)
    state.loss_weight += float(weight)
    return float(total / weight)


def _finish_epoch(
    accelerator: Accelerator,
    module: Any,
    config: TrainConfig,
    workspace: Workspace,
    validation: Validation | None,
    state: Progress,
    done: int,
) -> None:
    """Validate, and keep the best weights."""
    state.epoch += 1
    state.step = 0
    loss = state.loss_sum / max(state.loss_weight, 1e-9)
    state.loss_sum = state.loss_weight = 0.0
    last = state.epoch == config.epochs
    if validation is not None and (last or state.epoch % config.validation.every_epochs == 0):
        ndcg = _measure(accelerator, module, validation.look)
        if state.stopping.is_best(ndcg):
            write_weights(accelerator, module, workspace.best)
        state.curve.append({"epoch": state.epoch, "loss": loss, "ndcg@10": ndcg})
        if config.trackers:
            accelerator.log({"ndcg@10": ndcg, "epoch_loss": loss}, step=done)
        tell(
            accelerator,
            f"epoch {state.epoch}/{config.epochs} · loss {loss:.4f} · "
            f"validation NDCG@10 {ndcg:.4f} (best {state.stopping.best:.4f})",
        )


def _measure(accelerator: Accelerator, module: Any, validate: Validate) -> float:
    module.eval()
    with torch.inference_mode(), accelerator.autocast():
        return validate(accelerator.unwrap_model(module))


def _take_best(
    accelerator: Accelerator,
    module: Any,
    workspace: Workspace,
    validation: Validation,
    state: Progress,
) -> None:
    """Leave the weights of the best look, or the last ones if other users like these better."""
    compare = validation.compare if state.stopping.stale else None
    if compare is None:
        read_weights(accelerator, module, workspace.best)
        return
    last = _measure(accelerator, module, compare)
    write_weights(accelerator, module, workspace.last)
    read_weights(accelerator, module, workspace.best)
    best = _measure(accelerator, module, compare)
    if last >= best:
        read_weights(accelerator, module, workspace.last)
    tell(
        accelerator,
        f"NDCG@10 on other users: {last:.4f} with the last weights, {best:.4f} with those of the "
        f"best look; the {'last' if last >= best else 'best look'} are kept",
    )


def write_curve(directory: Path, state: Progress) -> None:
    """Write the validation curve beside the weights."""
    text = json.dumps({"best_ndcg@10": state.stopping.best, "curve": state.curve}, indent=2)
    (directory / "training.json").write_text(text + "\n", encoding="utf-8")
