"""What one policy showed and what came of it, beside how likely another would have shown the same.

Enters: a data frame, a row for each item that was shown. Leaves: arrays by list and rank, checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from genrec.errors import DataError
from genrec.experiments.columns import RECOMMENDATION_ID, id_codes, numbers, refuse_rows, to_frame
from genrec.frames.read import check_columns
from genrec.schema import USER_ID

REWARD = "reward"
PROPENSITY = "propensity"
TARGET_PROPENSITY = "target_propensity"
RANK = "rank"
PREDICTED = "predicted"
EXPECTED = "expected"


@dataclass(frozen=True, eq=False)
class LoggedLists:
    """Lists that were shown; a single item is a list of one.

    Shorter lists end in ranks without reward that both policies would have left alike.

    Attributes:
        rewards: What came of each item, such as 1 for a click. Shape: (N, K).
        ratios: Probability of each item at its rank, given those above it, under the target policy
            divided by that under the policy that showed it. Shape: (N, K).
        users: Of each list, from 0: what is drawn at random. Shape: (N,).
        predicted: A model's guess of the list's reward; None: there is no model. Shape: (N,).
        expected: Its guess of what the target policy earns there. Shape: (N,).
    """

    rewards: np.ndarray
    ratios: np.ndarray
    users: np.ndarray
    predicted: np.ndarray | None = None
    expected: np.ndarray | None = None

    @property
    def weights(self) -> np.ndarray:
        """Ratio of the probabilities of each list down to each rank. Shape: (N, K)."""
        return np.cumprod(self.ratios, axis=1)

    @classmethod
    def from_frame(cls, log: Any) -> LoggedLists:
        """Read a log.

        Args:
            log: Data frame with columns ``reward``, ``propensity`` (how likely the policy that
                showed the item showed it at its rank, given the items above it) and
                ``target_propensity`` (the same of the policy to judge). Lists also have
                ``recommendation_id`` and ``rank``, from 1. ``user_id``, if it is there, says which
                of them belong together. A log of single items may have ``predicted`` (a model's
                guess of the row's reward) and ``expected`` (its guess of what the target policy
                earns there).

        Raises:
            DataError: A column is missing, a value cannot be used, a list has no first rank or
                leaves one out, or a propensity is 0 or above 1.
        """
        frame = to_frame(log, "log")
        check_columns(frame, (REWARD, PROPENSITY, TARGET_PROPENSITY), None, "log")
        rewards = numbers(frame, REWARD, "log")
        shown = numbers(frame, PROPENSITY, "log", low=0, high=1)
        remedy = "what was shown cannot have been impossible: log the probability it was drawn with"
        refuse_rows(shown == 0, shown, f"log.{PROPENSITY}", remedy)
        ratios = numbers(frame, TARGET_PROPENSITY, "log", low=0, high=1) / shown
        users = id_codes(frame, USER_ID, "log")[0] if USER_ID in frame.columns else None
        if RECOMMENDATION_ID in frame.columns or RANK in frame.columns:
            return cls(*_by_list(frame, rewards, ratios, users))
        predicted, expected = _predictions(frame)
        users = np.arange(len(frame)) if users is None else users
        return cls(rewards[:, None], ratios[:, None], users, predicted, expected)


def _predictions(frame: nw.DataFrame[Any]) -> tuple[np.ndarray | None, np.ndarray | None]:
    if PREDICTED not in frame.columns and EXPECTED not in frame.columns:
        return None, None
    check_columns(frame, (PREDICTED, EXPECTED), None, "log")
    return numbers(frame, PREDICTED, "log"), numbers(frame, EXPECTED, "log")


def _by_list(
    frame: nw.DataFrame[Any], rewards: np.ndarray, ratios: np.ndarray, users: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    check_columns(frame, (RECOMMENDATION_ID, RANK), None, "log")
    lists, ids = id_codes(frame, RECOMMENDATION_ID, "log")
    ranks = numbers(frame, RANK, "log", low=1)
    refuse_rows(ranks % 1 != 0, ranks, f"log.{RANK}", "ranks are whole numbers from 1")
    places = ranks.astype(np.int64) - 1
    lengths = np.bincount(lists)
    # n different places from 0 to n - 1 are all of them.
    beyond = places >= lengths[lists]
    remedy = "give all ranks of a list, from 1 without a gap, each once"
    refuse_rows(beyond, ranks, f"log.{RANK}", remedy)
    taken = np.bincount(lists * lengths.max() + places, minlength=len(ids) * lengths.max())
    refuse_rows(taken[lists * lengths.max() + places] > 1, ranks, f"log.{RANK}", remedy)
    owners = np.arange(len(ids))
    if users is not None:
        owners[lists] = users
        shared = lists[owners[lists] != users]
        if len(shared):
            raise DataError(
                f"log: list '{ids[shared[0]]}' has several users; give every list an ID of its own"
            )
    shape = (len(ids), int(lengths.max()))
    by_rank, ratio_by_rank = np.zeros(shape), np.ones(shape)
    by_rank[lists, places] = rewards
    ratio_by_rank[lists, places] = ratios
    return by_rank, ratio_by_rank, owners
