"""Answers for many users as one frame, against those for one."""

import math
from html import escape

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from genrec.errors import DataError
from genrec.graph import build_graph
from genrec.recommender import Recommender

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def recommender(chain):
    return Recommender.from_pretrained(chain.pretrain, "cpu", num_beams=300)


@pytest.fixture(scope="module")
def events(chain):
    frame = pd.read_parquet(chain.data / "events.parquet").drop(columns="split")
    return frame[frame.user_id.isin(frame.user_id.unique()[:3])]


def rows_of(frame):
    return nw.from_native(frame, eager_only=True).rows()


@pytest.mark.parametrize("make", [lambda x: x, pl.from_pandas, pa.Table.from_pandas])
def test_a_frame_of_events_gives_the_same_kind(recommender, events, make):
    asked = make(events)
    found = recommender.recommend(asked, k=4)
    assert isinstance(found, type(asked))
    expected = [
        (user_id, item.item_id, pytest.approx(item.score, abs=1e-4), item.rank)
        for user_id in events.user_id.unique()
        for item in recommender.recommend(user_id, k=4)
    ]
    assert rows_of(found) == expected


def test_users_in_every_form(recommender, events):
    ids = list(events.user_id.unique())
    wanted = rows_of(recommender.recommend(events, k=3))
    histories = [recommender.history(user_id) for user_id in ids]
    for users, kind in (
        (ids, pd.DataFrame),
        (tuple(ids), pd.DataFrame),
        (histories, pd.DataFrame),
        (pd.Series(ids), pd.DataFrame),
        (pl.Series(ids), pl.DataFrame),
        (pl.DataFrame({"user_id": ids}), pl.DataFrame),
        (pa.table({"user_id": ids}), pa.Table),
        (pa.array(ids), pa.Table),
    ):
        found = recommender.recommend(users, k=3)
        assert isinstance(found, kind)
        assert [row[:2] for row in rows_of(found)] == [row[:2] for row in wanted]


def test_options_hold_for_everybody(recommender, events):
    candidates = recommender.table.item_ids[:5]
    found = recommender.recommend(events, k=9, candidates=candidates, filter_seen=False)
    assert set(found.item_id) == set(candidates) and len(found) == 15
    # Filters that leave a user fewer than k items give that user fewer rows, not an error.
    assert len(recommender.recommend(events, k=9, candidates=candidates)) <= 15


def test_histories_can_be_a_frame(chain, events):
    recommender = Recommender.from_pretrained(chain.pretrain, "cpu", histories=events)
    user_id = events.user_id.iloc[0]
    own = Recommender.from_pretrained(chain.pretrain, "cpu").history(user_id)
    assert recommender.history(user_id) == own
    with pytest.raises(DataError, match="no user 'nobody' among the 3"):
        recommender.recommend("nobody")


def test_users_that_are_numbers(chain, events):
    numbers = events.user_id.astype("category").cat.codes + 7
    recommender = Recommender.from_pretrained(
        chain.pretrain, "cpu", histories=events.assign(user_id=numbers.astype("Int64"))
    )
    assert len(recommender.history(7).events) == sum(numbers == 7)
    one = [item.item_id for item in recommender.recommend(np.int64(7), k=3)]
    assert list(recommender.recommend([7], k=3).item_id) == one
    assert set(recommender.timeline(7).user_id) == {"7"}


def test_events_without_items_are_not_taken_for_a_list_of_users(recommender, events):
    with pytest.raises(DataError, match="users has no column 'item_id'"):
        recommender.recommend(events.rename(columns={"item_id": "item"}))


def test_unknown_users_are_named(recommender, events):
    with pytest.raises(DataError, match="2 of 3 users are not known, such as 'x', 'y'"):
        recommender.recommend(["x", events.user_id.iloc[0], "y"])
    with pytest.raises(DataError, match="not both"):
        recommender.recommend(["x"], [])
    with pytest.raises(DataError, match="unheard"):
        recommender.recommend(events.assign(item_id="unheard"))


def test_similar_items_are_the_nearest(recommender):
    table = recommender.table
    vectors = np.array(
        [sum(table.centroids[n, code] for n, code in enumerate(codes)) for codes in table.codes]
    )
    asked, own = table.item_ids[7], vectors[7]
    cosines = {
        item_id: float(vector @ own) / math.sqrt(float(vector @ vector) * float(own @ own))
        for item_id, vector in zip(table.item_ids, vectors, strict=True)
        if item_id != asked
    }
    best = sorted(cosines.values(), reverse=True)[:5]
    found = recommender.similar_items(asked, k=5)
    assert list(found.score) == pytest.approx(best, abs=1e-5)
    assert [cosines[item_id] for item_id in found.similar_item_id] == pytest.approx(best, abs=1e-5)
    many = recommender.similar_items(pl.DataFrame({"item_id": table.item_ids[:2]}), k=3)
    assert isinstance(many, pl.DataFrame) and many["rank"].to_list() == [1, 2, 3] * 2


def test_interests_timeline_and_explanations(recommender, events):
    user_id = events.user_id.iloc[0]
    one = recommender.interests(user_id)
    many = recommender.interests(events)
    own = many[many.user_id == user_id]
    assert list(own.interest) == [interest.name for interest in one.interests]
    assert set(own.summary) <= {one.words}
    evolution = recommender.evolution(user_id)
    line = recommender.timeline(pl.from_pandas(events)).filter(pl.col("user_id") == user_id)
    shares = line["share"].to_numpy().reshape(len(evolution.events), -1)
    assert shares == pytest.approx(evolution.expected[1:], abs=1e-5)
    item_id = recommender.table.item_ids[0]
    told = recommender.explain(item_id, user_id, filter_seen=False)
    frame = recommender.explain(item_id, events, filter_seen=False)
    own = frame[frame.user_id == user_id]
    assert list(own.nats) == pytest.approx([e.nats for e in told.effects], abs=1e-3)
    assert own.timestamp.iloc[0].timestamp() == told.effects[0].event.timestamp


def test_what_people_look_at_has_a_look_in_notebooks(recommender, events):
    user_id = events.user_id.iloc[0]
    found = recommender.recommend(user_id, k=2)
    html = found._repr_html_()
    assert html.count("<tr>") == 3 and found[0].item_id in html
    history, summary = recommender.history(user_id), recommender.interests(user_id)
    shown = [
        (history, history.events[0].item_id),
        (summary, summary.words),
        (recommender.evolution(user_id), "next window"),
        (recommender.explain(found[0].item_id, user_id), "log-probability"),
        (build_graph(recommender.data, recommender.table), "user-item"),
    ]
    for each, text in shown:
        assert escape(text) in each._repr_html_() and "<table>" in each._repr_html_()
    expected = recommender.next_interests(user_id, top=3)
    assert expected._repr_html_().count("<tr>") == 4 and escape(expected[0][0]) in (
        expected._repr_html_()
    )
