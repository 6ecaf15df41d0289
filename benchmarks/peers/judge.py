"""What a library's answers are worth, from the Parquet files that its script wrote.

Enters: files of recommendations, and what was held out or new. Leaves: numbers as plain JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.peers.section import ODD
from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.metrics import ndcg_of_ranks

K = 10


def read_lists(path: Path) -> dict[str, list[str]]:
    """Return each user's items, in the order of the file."""
    lists: dict[str, list[str]] = {}
    for row in pq.read_table(path, columns=["user_id", "item_id"]).to_pylist():
        lists.setdefault(row["user_id"], []).append(row["item_id"])
    return lists


def ndcg(lists: Mapping[str, list[str]], targets: Mapping[str, str]) -> np.ndarray:
    """Return NDCG@10 of each user with a target; who has no list has 0. Shape: (U,)."""
    ranks = []
    for user_id, target in targets.items():
        found = lists.get(user_id, [])
        ranks.append(found.index(target) + 1 if target in found else 0)
    return ndcg_of_ranks(np.array(ranks), K)


def judge(result: Mapping[str, Any], out: Path, users: int, new: Collection[str]) -> dict[str, Any]:
    """Return what the result of ``timed.py`` and its files say.

    Args:
        result: Of ``timed.py``.
        out: Folder of the files.
        users: How many "many" are.
        new: Items without events.
    """
    known = out / "known.parquet"
    lists = read_lists(known)
    shown = [item_id for items in lists.values() for item_id in items]
    return {
        "versions": result["versions"],
        "fit_cpu_s": result["fit_cpu_s"],
        "users_per_cpu_s": users / result["jobs"]["many"]["cpu_s"],
        "columns": pq.read_schema(known).names,
        "answered_users": len(lists),
        "new_items_recommended": len({*new} & {*shown}),
        "share_of_new_items": float(np.isin(shown, list(new)).mean()),
        "odd_users": {
            name: result["jobs"][name].get("error")
            or sum(map(len, read_lists(out / f"{name}.parquet").values()))
            for name in ODD
        },
        "share_done_anew": result["share_done_anew"],
    }


def accuracy(gains: Mapping[str, np.ndarray], ours: str) -> dict[str, dict[str, Any]]:
    """Return each library's NDCG@10, and how much more ``ours`` has over the same users."""
    found = intervals(gains)
    return {
        name: {
            "ndcg@10": asdict(found[name]),
            "lead": None if name == ours else asdict(paired_difference(gains[ours], values)),
        }
        for name, values in gains.items()
    }
