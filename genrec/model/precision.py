"""In what a model is computed: in half precision, or exactly.

Weights in bfloat16 or float16 take half the memory and are read in half the time. Computed in it
as well, a model is up to four times faster on a GPU, and its scores are coarse: each rounding of
what goes into a layer alone moves the score of an item by up to 0.013 nats, and it falls out
otherwise in every kernel. So there is a choice:

- "model": in the numbers that the weights are held in;
- "bfloat16": the same, and other weights are rounded to bfloat16 as they are loaded;
- "float32": exact, with the weights as they are; all engines agree to the fifth digit;
- "rescored": searched like "model", and what was found is scored and put in order like "float32";
- "auto": "model" on a GPU, and on a CPU that was measured to be clearly faster with it.

Weights that stay in float32 are computed in float32. Training is another matter:
Accelerate's ``--mixed_precision`` decides there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from genrec.devices import Arithmetic
from genrec.errors import ConfigError
from genrec.linear import linear

RunUnder = Callable[[], AbstractContextManager[Any]]
"""Makes the context to run a model under; called anew for every run."""

HALF = (torch.bfloat16, torch.float16)
CLEARLY = 1.5
"""How many times faster half precision has to be on a CPU to be worth its rounding."""


def choose_arithmetic(model: nn.Module, asked: Arithmetic) -> RunUnder:
    """Return what to run a model under, to search with it.

    Args:
        model: A causal LM on its device, PEFT-wrapped or not.
        asked: See the module; "bfloat16" and "rescored" search like "model".

    Raises:
        ConfigError: There is no such arithmetic.
    """
    if asked not in get_args(Arithmetic):
        names = ", ".join(get_args(Arithmetic))
        raise ConfigError(f"arithmetic={asked!r}: choose one of {names}")
    if asked == "float32" or (asked == "auto" and not _half_is_faster(model)):
        return float32_arithmetic(model)
    return nullcontext


def _half_is_faster(model: nn.Module) -> bool:
    """Whether a model with weights in half precision is clearly faster if computed in it, too."""
    narrow = [each for each in model.parameters() if each.dtype in HALF and each.ndim == 2]
    if not narrow or narrow[0].is_cuda:
        return bool(narrow)
    weight = min(narrow, key=lambda each: abs(each.numel() - 2**20))
    x = torch.ones(64, weight.shape[1], dtype=weight.dtype, device=weight.device)
    wide = x.float()
    with torch.inference_mode():
        half = _time(lambda: F.linear(x, weight))
        return half * CLEARLY < _time(lambda: float32_linear(wide, weight))


def _time(run: Callable[[], Tensor]) -> float:
    """Return the least of a few times, in seconds; the first run sets things up."""
    times = []
    for _ in range(6):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times[1:])


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has arithmetic for bfloat16; where it has not, it is slower than float32."""
    if device.type == "cpu":
        known = torch.cpu.get_capabilities()
        return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def float32_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply by weights in half precision as float32 would.

    On GPUs their tensor cores do it: ``x`` is the sum of two bfloat16 numbers to 16 bits, products
    of bfloat16 are exact in float32, and both parts go through the weights in one pass. Elsewhere
    the weights are widened for the moment.

    Args:
        x: Shape: (..., K).
        weight: Shape: (N, K).
        bias: Shape: (N,).

    Returns:
        Shape: (..., N), float32.
    """
    x = x.float()
    if not (weight.is_cuda and weight.dtype == torch.bfloat16):
        return linear(x, weight.float(), None if bias is None else bias.float())
    rows = x.reshape(-1, x.shape[-1])
    both = torch.mm(torch.cat(two_parts(rows)), weight.t(), out_dtype=torch.float32)
    product = both[: len(rows)] + both[len(rows) :]
    if bias is not None:
        product = product + bias.float()
    return product.view(*x.shape[:-1], -1)


def two_parts(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split float32 numbers into two of bfloat16 that add up to them, to 16 bits."""
    # Cut off by bits, not rounded by a cast: Inductor takes a cast there and back for nothing to
    # do, and the low part would be 0 in a compiled model.
    high = (x.view(torch.int32) & -65536).view(torch.float32)
    return high.to(torch.bfloat16), (x - high).to(torch.bfloat16)


def float32_arithmetic(model: nn.Module) -> RunUnder:
    """Return what to run a model under, so that it computes in float32.

    The weights stay as they are. A model in float32 runs under nothing at all, and so does one
    under autocast, which is told by its caller what to compute in.

    Args:
        model: A causal LM, PEFT-wrapped or not.

    Returns:
        Makes a context manager; made anew for every run.
    """
    kinds = {(weight.dtype, weight.device.type) for weight in model.parameters()}
    devices = {device for dtype, device in kinds if dtype in HALF}

    if not devices:
        return nullcontext

    def run_under() -> AbstractContextManager[Any]:
        if any(torch.is_autocast_enabled(device) for device in devices):
            return nullcontext()
        return _Float32Arithmetic()

    return run_under


class _Float32Arithmetic(TorchFunctionMode):
    """Widens what meets weights in half precision; what follows from it is float32 by itself."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.linear and args[1].dtype in HALF:
            return float32_linear(*args, **kwargs)
        if func is F.embedding:
            found = func(*args, **kwargs)
            return found.float() if found.dtype in HALF else found
        if func in (F.layer_norm, F.rms_norm):
            # Unlike a product, they take no weights of another kind than what they norm.
            args = tuple(map(_wide, args))
            kwargs = {name: _wide(value) for name, value in kwargs.items()}
        return func(*args, **kwargs)


def _wide(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value
