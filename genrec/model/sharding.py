"""Modules whose weights FSDP2 has cut among processes: what is whole meets what is cut."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor


def align_rows(column: Tensor, matrix: Tensor) -> Tensor:
    """Cut a column among processes as a matrix is cut, if it is, so that their rows meet.

    Args:
        column: A number for each row of the matrix. Shape: (N, 1).
        matrix: Shape: (N, ...), of all processes together.
    """
    if isinstance(matrix, DTensor):
        return distribute_tensor(column, matrix.device_mesh, matrix.placements)
    return column


def take_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put whole weights into a module, sharded or not; those that are not named stay.

    Args:
        module: Of every process.
        weights: By name, the same on every process.
    """
    if any(isinstance(weight, DTensor) for weight in module.parameters()):
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(module, dict(weights), options=options)
    else:
        module.load_state_dict(weights, strict=False)
