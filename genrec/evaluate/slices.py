"""An evaluation by what was known when it asked: after a search, or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from genrec.evaluate.harness import Evaluation


def split_by_search(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return which users had searched since their last event, and which had not.

    Returns:
        Marks of users by "after a search" and "without one"; nothing where all are of one kind.
        Shape of each: (users,), bool.
    """
    searched = evaluation.searched
    if searched.all() or not searched.any():
        return {}
    return {"after a search": searched, "without one": ~searched}


def by_search(evaluation: Evaluation) -> dict[str, Any]:
    """Return the means of both kinds of users as plain JSON; nothing where there is one kind."""
    return {
        label: {
            "num_users": int(users.sum()),
            **{name: float(values[users].mean()) for name, values in evaluation.per_user.items()},
        }
        for label, users in split_by_search(evaluation).items()
    }
