"""Counts of what followed what, held against counting by hand."""

from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.model.item_features import NO_ROW, pad_histories
from genrec.model.sasrec_head import Transitions
from genrec.model.transition_counts import (
    FADING,
    FLOOR,
    REACH,
    count_openings,
    count_transitions,
    fading_weights,
    to_counts,
)

NUM_ITEMS = 6
HISTORIES = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=9), min_size=1, max_size=6)


def counted(histories, num_items=NUM_ITEMS):
    return Transitions.of(
        count_transitions(histories, num_items), count_openings(histories, num_items)
    )


def votes_by_hand(histories):
    counts = defaultdict(lambda: defaultdict(float))
    for history in histories:
        for place, item in enumerate(history):
            for distance, later in enumerate(history[place + 1 : place + 1 + REACH], start=1):
                if later != item:
                    counts[item][later] += 1 / distance
    return {
        item: {later: count / sum(after.values()) ** 0.5 for later, count in after.items()}
        for item, after in counts.items()
    }


@given(HISTORIES, HISTORIES)
def test_scores_are_those_counted_by_hand(known, asked):
    votes = votes_by_hand(known)
    found = counted(known)(pad_histories(asked))
    first = [history[0] for history in known if history]
    assert found.shape == (len(asked), NUM_ITEMS + 1)
    for history, scores in zip(asked, found, strict=True):
        sums = [FLOOR] * (NUM_ITEMS + 1)
        for age, item in enumerate(reversed(history)):
            for later, vote in votes.get(item, {}).items():
                sums[later] += FADING**age * vote
        for item in first if not history else ():
            sums[item] += len(first) ** -0.5
        torch.testing.assert_close(scores, (torch.tensor(sums) / FLOOR).log())


def test_an_item_that_was_never_counted_says_nothing_and_is_not_ruled_out():
    scores = counted([[0, 1], [0, 1], [1, 2]], 3)(torch.tensor([[0, NO_ROW]]))
    assert scores[0].argmax() == 1
    assert scores[0, NO_ROW] == 0


def test_a_beginning_is_followed_by_what_users_begin_with():
    scores = counted([[0, 1], [0, 1], [1, 2]], 3)(torch.tensor([[NO_ROW, NO_ROW]]))
    assert scores[0, 0] > scores[0, 1] > scores[0, 2] == scores[0, NO_ROW] == 0


TIMED = st.lists(
    st.lists(st.tuples(st.integers(0, NUM_ITEMS - 1), st.integers(0, 20)), max_size=9), max_size=6
)


@given(TIMED, st.sampled_from([1.0, 2.5, 40.0]))
def test_what_an_event_counts_is_halved_by_later_events_of_its_item(users, half_life):
    users = [sorted(user, key=lambda event: event[1]) for user in users]
    histories = [[item for item, _ in user] for user in users]
    times = [[at for _, at in user] for user in users]
    weights = fading_weights(histories, times, half_life)
    assert [len(each) for each in weights] == [len(user) for user in users]
    flat = [(item, at, n) for n, (item, at) in enumerate(sum(users, []))]
    for (item, at, number), weight in zip(flat, sum(weights, []), strict=True):
        later = sum(other == item and (at, number) < (then, n) for other, then, n in flat)
        assert weight == pytest.approx(0.5 ** (later / half_life))


def test_pairs_count_what_their_earlier_event_does():
    counts = to_counts(count_transitions([[0, 1, 2], [0, 2]], 3, [[0.5, 1.0, 0.25], [1.0, 1.0]]))
    assert counts.toarray() == pytest.approx(
        torch.tensor([[0, 0.5, 0.25 + 1], [0, 0, 1], [0, 0, 0]]).numpy()
    )


@pytest.mark.parametrize("histories", [[], [[]], [[0]], [[0, 0, 0]]])
def test_nothing_to_count_is_no_opinion(histories):
    assert (counted(histories, 2)(torch.tensor([[0, 1]])) == 0).all()
