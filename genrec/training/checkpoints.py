"""What a training has on disk: weights that it may take again, and where to go on from.

Everything is written whole or not at all, by the first process for all of them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from genrec.errors import ArtifactError
from genrec.model.sharding import take_weights
from genrec.training.tell import tell
from genrec.training.workspace import Workspace


def write_weights(accelerator: Accelerator, module: Any, path: Path) -> None:
    """Write the trained weights of a module, as Accelerate prepared it."""
    trained = {
        name
        for name, parameter in accelerator.unwrap_model(module).named_parameters()
        if parameter.requires_grad
    }
    # Frozen weights do not change, and 4-bit ones cannot be loaded back by name.
    weights = accelerator.get_state_dict(module)
    weights = {name: tensor for name, tensor in weights.items() if name in trained}
    if accelerator.is_main_process:
        aside = path.with_suffix(".tmp")
        torch.save(weights, aside)
        aside.replace(path)
    accelerator.wait_for_everyone()


def read_weights(accelerator: Accelerator, module: Any, path: Path) -> None:
    """Put what ``write_weights`` wrote into a module."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    take_weights(accelerator.unwrap_model(module), weights)


@dataclass(frozen=True)
class Checkpoints:
    """Where a run goes on from if it is cut off: the newest checkpoint is kept.

    Attributes:
        accelerator: It knows the model, the optimizer, and whatever else was registered.
        workspace: Where they lie.
    """

    accelerator: Accelerator
    workspace: Workspace

    def write(self, step: int) -> None:
        """Write a checkpoint aside, give it its name, and drop the one before."""
        accelerator = self.accelerator
        aside = self.workspace.path / "checkpoint.tmp"
        if accelerator.is_main_process:
            shutil.rmtree(aside, ignore_errors=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(aside))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            older = self.workspace.checkpoints()
            final = self.workspace.path / f"checkpoint-{step}"
            shutil.rmtree(final, ignore_errors=True)
            aside.replace(final)
            for path in older:
                if path != final:
                    shutil.rmtree(path)
        accelerator.wait_for_everyone()

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one.

        Raises:
            ArtifactError: It is damaged.
        """
        found = self.workspace.checkpoints()
        if not found:
            return
        try:
            self.accelerator.load_state(str(found[-1]))
        except Exception as error:  # Accelerate passes on whatever the file's reader raised.
            raise ArtifactError(
                f"checkpoint {found[-1]} is damaged ({str(error).splitlines()[0]}); "
                f"remove {self.workspace.path} to start again"
            ) from None
        tell(self.accelerator, f"resuming from {found[-1].name}")
