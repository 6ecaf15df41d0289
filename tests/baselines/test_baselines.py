"""Planted answers; what every ranker owes its caller is in ``tests/contract``."""

import numpy as np
import pytest

from genrec.baselines import ItemKNN, Markov, Popularity, RepeatLast
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.schema import Event, History, Request

SIZE = 8


@pytest.fixture(scope="module")
def checkerboard(tmp_path_factory) -> Dataset:
    """Even users take even items and odd users odd ones, all but the item of their own number."""
    root = tmp_path_factory.mktemp("checkerboard")
    rows = ["user_id,item_id,timestamp"]
    for user in range(SIZE):
        taken = [item for item in range(user % 2, SIZE, 2) if item != user]
        # Two filler events end up in valid and test.
        rows += [f"u{user},i{item},{place}" for place, item in enumerate([*taken, "x", "y"])]
    (root / "events.csv").write_text("\n".join(rows) + "\n")
    prepare(root / "events.csv", None, root / "data")
    return Dataset.load(root / "data")


def ask(*item_ids: str, **filters) -> Request:
    events = tuple(Event("u", item_id, place) for place, item_id in enumerate(item_ids))
    return Request(History("u", events), **filters)


@pytest.mark.parametrize("user", range(SIZE))
def test_neighbours_find_the_square_left_out(checkerboard, user):
    taken = [f"i{item}" for item in range(user % 2, SIZE, 2) if item != user]
    best = ItemKNN.fit(checkerboard).rank_many([ask(*taken)], 1)[0][0]
    assert best.item_id == f"i{user}"


def test_neighbours_never_cross_colours_while_their_own_are_left(checkerboard):
    ranked = ItemKNN.fit(checkerboard).rank_many([ask("i0")], 3)[0]
    assert {answer.item_id for answer in ranked} == {"i2", "i4", "i6"}


def test_newer_events_weigh_more(checkerboard):
    ranked = ItemKNN.fit(checkerboard).rank_many([ask("i1", "i0")], 6)[0]
    colours = [int(answer.item_id[1]) % 2 for answer in ranked]
    assert colours == [0, 0, 0, 1, 1, 1]


def test_markov_knows_what_followed_not_what_came_before(checkerboard):
    """Items were taken in the order of their numbers."""
    ranked = Markov.fit(checkerboard).rank_many([ask("i4"), ask("i0", "i4")], 2)
    assert ranked[0][0].item_id == ranked[1][0].item_id == "i6"
    assert ranked[0][1].score == 0
    assert ranked[1][1].item_id == "i2" and ranked[1][1].score > 0


def test_held_out_events_teach_nothing(checkerboard):
    """The fillers occur in valid and test alone: nobody may know that they are popular."""
    for kind in (Popularity, ItemKNN, Markov):
        ranked = kind.fit(checkerboard).rank_many([ask("i0")], SIZE + 2)[0]
        assert {answer.item_id for answer in ranked[-2:]} == {"ix", "iy"}


def test_popularity_counts(checkerboard):
    events = checkerboard.interactions("train")
    counts = np.bincount(events.item_index, minlength=events.num_items)
    for answer in Popularity.fit(checkerboard).rank_many([ask()], 10)[0]:
        assert answer.score == counts[checkerboard.item_index[answer.item_id]]


def test_repeat_last_returns_the_newest_first_then_popularity(checkerboard):
    ranker = RepeatLast.fit(checkerboard)
    ranked = ranker.rank_many([ask("i3", "i5", "i3", "i1", filter_seen=False)], 5)[0]
    assert [answer.item_id for answer in ranked[:3]] == ["i1", "i3", "i5"]
    popular = Popularity.fit(checkerboard).rank_many([ask("i3", "i5", "i1")], 2)[0]
    assert [answer.item_id for answer in ranked[3:]] == [answer.item_id for answer in popular]
