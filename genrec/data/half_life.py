"""Exponential decay: the weight of what happened some time or some events ago."""

from __future__ import annotations

from typing import overload

import numpy as np


@overload
def decay(age: float, half_life: float) -> float: ...
@overload
def decay(age: np.ndarray, half_life: float) -> np.ndarray: ...
def decay(age: float | np.ndarray, half_life: float) -> float | np.ndarray:
    """Return the weight left after an age: 1 at age 0, and half as much per half-life.

    Args:
        age: In any unit, such as events or days; an array is weighed element by element.
        half_life: In the same unit; infinite for no decay.

    Example:
        >>> decay(16, half_life=8)
        0.25
    """
    weight: float | np.ndarray = 0.5 ** (age / half_life)
    return weight
