"""The device: what it is, its clock and its memory."""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable

import torch

PEAK_BF16 = {"B200": 2250e12, "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}
"""Dense bfloat16 operations a second, by a part of the device's name."""
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "triton", "numpy")


def describe(device: str) -> dict[str, object]:
    """Return the names and versions of what is measured."""
    is_cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if is_cuda else platform.processor() or "CPU",
        "cudnn": torch.backends.cudnn.version() if is_cuda else None,
        "threads": torch.get_num_threads(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES if is_installed(name)},
    }


def is_installed(library: str) -> bool:
    """Whether a library can be imported."""
    return importlib.util.find_spec(library) is not None


def peak_flops(device: str) -> float | None:
    """Return the operations a second that a device is sold with; None: it is not in the list."""
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    return next((peak for part, peak in PEAK_BF16.items() if part in name), None)


def synchronize(device: str) -> None:
    """Wait until a device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def free_memory(device: str) -> None:
    """Give back what nobody holds, and watch the peak of memory anew."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: str) -> float | None:
    """Return the most memory held since ``free_memory``; None on a CPU."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if device == "cuda" else None


def times_of(run: Callable[[], object], device: str, most_s: float, most: int) -> list[float]:
    """Run once to set things up, then a few times; return the seconds of each run after it."""
    run()
    synchronize(device)
    times: list[float] = []
    while not times or (len(times) < most and sum(times) < most_s):
        start = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return times
