"""Makes vLLM hold weights in half precision and compute in float32 (``genrec.model.precision``).

vLLM has one kind of number for a whole model. Our server tells it float32, and this puts the linear
layers' weights, nearly all there is, into half precision. Embeddings and the last layer stay in
float32; rounded or not, a base that was saved in half precision has the same numbers in them.

vLLM runs this in every process (``plugin``); it does nothing unless our server asked.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import torch

from genrec.model.precision import HALF, float32_linear

WEIGHTS_VARIABLE = "GENREC_WEIGHTS"


def hold_weights() -> None:
    """Hold linear layers as our server was told, and give adapters what their kernels take."""
    if WEIGHTS_VARIABLE not in os.environ:
        return
    dtype = getattr(torch, os.environ[WEIGHTS_VARIABLE])
    _narrow_adapter_inputs()
    if dtype not in HALF:
        return
    from vllm.config import get_current_vllm_config
    from vllm.model_executor.layers.linear import UnquantizedLinearMethod

    create = UnquantizedLinearMethod.create_weights
    parameters = inspect.signature(create)

    def create_narrow(*args: Any, **kwargs: Any) -> None:
        # Part of the name under which vLLM finds what it compiled before.
        get_current_vllm_config().additional_config[WEIGHTS_VARIABLE] = str(dtype)
        given = parameters.bind(*args, **kwargs)
        given.arguments["params_dtype"] = dtype
        create(*given.args, **given.kwargs)

    def leave(self: Any, layer: Any) -> None:
        """Leave out vLLM's packing, which is for kernels that compute in half precision."""

    def apply(
        self: Any, layer: Any, x: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        return float32_linear(x, layer.weight, bias)

    # The class itself is changed: vLLM chooses how to load weights by its name.
    UnquantizedLinearMethod.create_weights = create_narrow
    UnquantizedLinearMethod.process_weights_after_loading = leave
    UnquantizedLinearMethod.apply = apply


def _narrow_adapter_inputs() -> None:
    """Let adapters in half precision stand on a model in float32.

    vLLM's GPU kernels take an adapter in half precision only, with an input of the same kind. The
    output they add to is float32.
    """
    from vllm.lora.layers.base_linear import BaseLinearLayerWithLoRA

    add = BaseLinearLayerWithLoRA._apply_lora_to_output

    def narrow_and_add(self: Any, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = add(self, x.to(self.lora_a_stacked[0].dtype), output)
        return result

    BaseLinearLayerWithLoRA._apply_lora_to_output = narrow_and_add
