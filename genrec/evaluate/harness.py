"""Put a ranker's answers beside what really happened.

Enters: a ranker and a prepared data set. Leaves: an ``Evaluation`` for each filter mode. Whatever
the ranker returns is judged as it is: an answer that is not allowed, or missing, or given twice, is
a miss and is counted, never removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast, get_args

import numpy as np

from genrec.batching import in_batches
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError
from genrec.evaluate.bootstrap import Interval, intervals
from genrec.metrics import (
    NO_ITEM,
    accuracy,
    coverage,
    cutoffs_within,
    find_ranks,
    mark_duplicates,
    mark_hits,
    rate,
)
from genrec.progress import track
from genrec.schema import AskAt, Example, Ranker, Recommendation, Request, Split

BATCH_SIZE = 128


@dataclass(frozen=True)
class Evaluation:
    """One ranker's results on one split, in one filter mode.

    Attributes:
        ranker: Its name.
        filter_seen: Whether items of the history were kept out of the answers.
        user_ids: Who was asked about, in order.
        num_targets: Distinct targets of each user. Shape: (users,).
        targets: All users' targets in that order, as positions in the catalogue. Shape: (targets,).
        ranks: Place of each target in its user's list, 0 where it is not there. Every accuracy
            follows from these. Shape: (targets,).
        searched: Whether each user had searched since the last event. Shape: (users,), bool.
        per_user: Accuracy by metric, such as "ndcg@10". Shape: (users,) each.
        intervals: Mean and 95% bootstrap interval of each of them.
        coverage: By metric, such as "coverage@10".
        invalid_rate: Share of the asked places that hold no allowed item of the catalogue.
        duplicate_rate: Share of the asked places that hold an item given before.
        users_per_s: Lists made in a second.
    """

    ranker: str
    filter_seen: bool
    user_ids: tuple[str, ...] = field(repr=False)
    num_targets: np.ndarray = field(repr=False)
    targets: np.ndarray = field(repr=False)
    ranks: np.ndarray = field(repr=False)
    searched: np.ndarray = field(repr=False)
    per_user: Mapping[str, np.ndarray] = field(repr=False)
    intervals: Mapping[str, Interval]
    coverage: Mapping[str, float]
    invalid_rate: float
    duplicate_rate: float
    users_per_s: float


def evaluate(
    ranker: Ranker,
    data: Dataset,
    split: Split,
    k: int = 20,
    ask_at: AskAt = "target",
    max_users: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    last_events: int | None = None,
) -> tuple[Evaluation, Evaluation]:
    """Ask for every user of a split, with and without items already seen.

    Args:
        ranker: Fitted on the train split alone.
        data: Where the questions come from.
        split: "valid" or "test"; its events are the targets, all earlier ones the history.
        k: Length of the lists.
        ask_at: "target" tells the ranker when the first target happens and of which kind it is,
            never what; "last" asks right after the last event of the history.
        max_users: A seeded sample of this many; None: everybody.
        batch_size: Users asked about at once, in both filter modes: the prompts are the same, so
            that a model need read them only once.
        seed: Of the sample and of the bootstrap.
        last_events: Ask as if only this many events of each history were known; None: all.

    Returns:
        Seen items filtered, then unfiltered.

    Raises:
        ConfigError, DataError: See ``check_questions``.
    """
    check_questions(data, split, k, ask_at, max_users, last_events)
    ledgers = [_Ledger(data, k, filter_seen) for filter_seen in (True, False)]
    questions: Iterable[Example] = data.examples(split)
    total = data.num_examples(split)
    if max_users is not None:
        questions, total = _sample(questions, max_users, seed), min(max_users, total)
    if last_events is not None:
        questions = (
            replace(example, history=example.history.last(last_events)) for example in questions
        )
    batches = in_batches(questions, batch_size)
    for batch in track(batches, f"users asked about by {ranker.name}", total, len):
        requests = [request for ledger in ledgers for request in ledger.requests(batch, ask_at)]
        start = time.perf_counter()
        answers = ranker.rank_many(requests, k)
        seconds = time.perf_counter() - start
        for ledger, own in zip(ledgers, in_batches(answers, len(batch)), strict=True):
            ledger.note(batch, own, seconds / len(ledgers))
    filtered, unfiltered = (ledger.settle(ranker.name, seed) for ledger in ledgers)
    return filtered, unfiltered


class _Ledger:
    """Answers and targets of one filter mode, as integers."""

    def __init__(self, data: Dataset, k: int, filter_seen: bool) -> None:
        self._item_index = data.item_index
        self._k = k
        self._filter_seen = filter_seen
        self.user_ids: list[str] = []
        self._searched: list[bool] = []
        self._ranked: list[np.ndarray] = []
        self._targets: list[list[int]] = []
        self._asked = 0
        self._surplus = 0
        self._seconds = 0.0

    def requests(self, batch: Sequence[Example], ask_at: AskAt) -> list[Request]:
        """Return one batch of questions as requests."""
        return [
            Request(
                history=example.history,
                at=example.targets[0].timestamp if ask_at == "target" else None,
                event_type=example.targets[0].event_type if ask_at == "target" else None,
                filter_seen=self._filter_seen,
            )
            for example in batch
        ]

    def note(
        self, batch: Sequence[Example], answers: Sequence[Sequence[Recommendation]], seconds: float
    ) -> None:
        """Note the answers to a batch, and the time that they took."""
        self._seconds += seconds
        for example, answer in zip(batch, answers, strict=True):
            self._note(example, answer)

    def _note(self, example: Example, answer: Sequence[Recommendation]) -> None:
        seen: set[int] = set()
        if self._filter_seen:
            items = (event.item_id for event in example.history.events)
            seen = {self._item_index.get(item_id, NO_ITEM) for item_id in items} - {NO_ITEM}
        asked = min(self._k, len(self._item_index) - len(seen))
        places = [self._item_index.get(given.item_id, NO_ITEM) for given in answer]
        allowed = [NO_ITEM if place in seen else place for place in places]
        row = np.full(self._k, NO_ITEM)
        row[: min(len(allowed), asked)] = allowed[:asked]
        self._ranked.append(row)
        self._asked += asked
        self._surplus += max(0, len(answer) - asked)
        self.user_ids.append(example.history.user_id)
        self._searched.append(bool(example.history.open_searches))
        held_out = (self._item_index[event.item_id] for event in example.targets)
        self._targets.append(list(dict.fromkeys(held_out)))

    def settle(self, ranker: str, seed: int) -> Evaluation:
        """Compute every metric."""
        ranked = np.stack(self._ranked)
        num_targets = np.array([len(targets) for targets in self._targets])
        cutoffs = cutoffs_within(self._k)
        ranks = find_ranks(ranked, self._targets)
        per_user = accuracy(mark_hits(ranks, num_targets, self._k), num_targets, cutoffs)
        # Where fewer than k items are left, the places beyond were not asked for.
        invalid = self._asked - int((ranked != NO_ITEM).sum()) + self._surplus
        return Evaluation(
            ranker=ranker,
            filter_seen=self._filter_seen,
            user_ids=tuple(self.user_ids),
            num_targets=num_targets,
            targets=np.array([item for held_out in self._targets for item in held_out]),
            ranks=ranks,
            searched=np.array(self._searched),
            per_user=per_user,
            intervals=intervals(per_user, seed),
            coverage={f"coverage@{k}": coverage(ranked, len(self._item_index), k) for k in cutoffs},
            invalid_rate=rate(invalid, self._asked + self._surplus),
            duplicate_rate=rate(int(mark_duplicates(ranked).sum()), self._asked),
            users_per_s=len(self.user_ids) / max(self._seconds, 1e-9),
        )


def check_questions(
    data: Dataset,
    split: str,
    k: int = 1,
    ask_at: str = "target",
    max_users: int | None = None,
    last_events: int | None = None,
) -> None:
    """Check, before anything takes long, that ``evaluate`` can be asked this.

    Raises:
        ConfigError: An unknown ``split`` or ``ask_at``, or ``k``, ``max_users`` or
            ``last_events`` below 1.
        DataError: The split holds no question.
    """
    if split not in ("valid", "test"):
        raise ConfigError(f"cannot evaluate on split '{split}'; choose valid or test")
    if ask_at not in get_args(AskAt):
        raise ConfigError(f"ask_at is '{ask_at}'; choose {' or '.join(get_args(AskAt))}")
    if k < 1:
        raise ConfigError(f"k is {k}; ask for at least 1 item")
    if max_users is not None and max_users < 1:
        raise ConfigError(
            f"max_users is {max_users}; give at least 1, or leave it out for everybody"
        )
    if last_events is not None and last_events < 1:
        raise ConfigError(
            f"last_events is {last_events}; give at least 1, or leave it out for whole histories"
        )
    if next(data.examples(cast(Split, split)), None) is None:
        raise DataError(
            f"{data.path} has no user with both a history and events in '{split}'; "
            "prepare it with another split"
        )


def _sample(examples: Iterable[Example], size: int, seed: int) -> list[Example]:
    """Draw a uniform sample in one pass, holding no more than it; in the order of the file."""
    rng = np.random.default_rng(seed)
    drawn: list[tuple[int, Example]] = []
    for number, example in enumerate(examples):
        if number < size:
            drawn.append((number, example))
        elif (place := int(rng.integers(number + 1))) < size:
            drawn[place] = (number, example)
    return [example for _, example in sorted(drawn, key=lambda pair: pair[0])]
