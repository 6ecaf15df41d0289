"""What a trained baseline watches: NDCG@10 on sampled users of the valid split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.data import Dataset
from genrec.metrics import WATCHED_CUTOFF, accuracy, find_ranks, mark_hits
from genrec.schema import Example, Ranker, Request


def sample_questions(data: Dataset, num_users: int, seed: int) -> list[Example]:
    """Draw users of the valid split, in the file's order; all where there are fewer."""
    questions = list(data.examples("valid")) if num_users else []
    if len(questions) <= num_users:
        return questions
    drawn = np.random.default_rng(seed).choice(len(questions), num_users, replace=False)
    return [questions[place] for place in np.sort(drawn)]


def measure_ndcg(ranker: Ranker, questions: Sequence[Example], data: Dataset) -> float:
    """Return the mean NDCG@10 with seen items filtered; each history is asked after its end.

    Args:
        ranker: Whom to ask.
        questions: At least one.
        data: Whose catalogue the answers are from.
    """
    requests = [Request(question.history) for question in questions]
    ranked = np.full((len(questions), WATCHED_CUTOFF), -1)
    for row, answer in zip(ranked, ranker.rank_many(requests, WATCHED_CUTOFF), strict=True):
        row[: len(answer)] = [data.item_index[given.item_id] for given in answer]
    targets = [{data.item_index[event.item_id] for event in each.targets} for each in questions]
    num_targets = np.array([len(held_out) for held_out in targets])
    hits = mark_hits(find_ranks(ranked, targets), num_targets, WATCHED_CUTOFF)
    return float(accuracy(hits, num_targets, [WATCHED_CUTOFF])[f"ndcg@{WATCHED_CUTOFF}"].mean())
