"""``Recommender.fit`` as a notebook uses it: frames in, a model trained here, frames out."""

import json
import random
import shutil
from datetime import UTC, datetime

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from genrec.errors import DataError
from genrec.recommender import Recommender
from tests.little_run import TINY

pytestmark = pytest.mark.slow
NUM_USERS, NUM_ITEMS, NUM_EVENTS = 24, 16, 8
SHORT = {
    "base": {"scratch": TINY},
    "pretrain": {
        "epochs": 2,
        "validation": {"users": 12, "num_beams": 10, "every_epochs": 1},
        "sasrec": {"epochs": 2, "every_epochs": 1},
    },
}
MAKERS = {
    "pandas": (pd.DataFrame, pd.DataFrame),
    "polars": (pl.from_pandas, pl.DataFrame),
    "arrow": (lambda frame: pa.Table.from_pandas(frame, preserve_index=False), pa.Table),
}


def make_events() -> pd.DataFrame:
    """Users who walk along the items in a circle; rows of all users in one heap."""
    chance, rows = random.Random(0), []
    for user in range(NUM_USERS):
        start = chance.randrange(NUM_ITEMS)
        for n in range(NUM_EVENTS):
            rows.append((f"u{user}", f"i{(start + n) % NUM_ITEMS}", 1_500_000_000 + n * 86_400))
    chance.shuffle(rows)
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


EVENTS = make_events()
ITEMS = pd.DataFrame(
    {
        "item_id": [f"i{n}" for n in range(NUM_ITEMS)],
        "title": [f"{'Glass' if n % 2 else 'Steel'} thing number {n}" for n in range(NUM_ITEMS)],
    }
)
USERS = pd.DataFrame({"user_id": ["new"], "about": ["I like glass things"]})
SOME = EVENTS[EVENTS.user_id.isin(["u1", "u2", "u3"])]


def fit(make=pd.DataFrame, events=EVENTS, config=SHORT, out=None) -> Recommender:
    return Recommender.fit(
        *(make(events), make(ITEMS), config, out, "cpu"), num_beams=NUM_ITEMS, users=make(USERS)
    )


def rows_of(frame) -> list[tuple]:
    return nw.from_native(frame, eager_only=True).rows()


def answers(recommender: Recommender, users) -> dict:
    return {
        "recommend": recommender.recommend(users, k=3),
        "interests": recommender.interests(users, min_evidence=1),
        "timeline": recommender.timeline(users),
        "explain": recommender.explain("i0", users, filter_seen=False),
    }


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return fit()


@pytest.fixture(scope="module")
def answered(fitted) -> dict:
    """What the fitted model says of some users, as rows by question."""
    return {name: rows_of(frame) for name, frame in answers(fitted, SOME).items()}


@pytest.mark.parametrize("kind", MAKERS)
def test_answers_are_of_the_kind_that_was_given(fitted, answered, kind):
    make, frame = MAKERS[kind]
    for name, found in answers(fitted, make(SOME)).items():
        assert isinstance(found, frame) and rows_of(found) == answered[name], name
    found = nw.from_native(fitted.recommend(make(SOME), k=3), eager_only=True)
    assert found.columns == ["user_id", "item_id", "score", "rank"]
    assert found["rank"].to_list() == [1, 2, 3] * 3
    assert set(found["user_id"]) == {"u1", "u2", "u3"}
    similar = fitted.similar_items(make(ITEMS).head(2) if kind != "arrow" else make(ITEMS)[:2], k=2)
    assert isinstance(similar, frame)
    assert [row[0] for row in rows_of(similar)] == ["i0", "i0", "i1", "i1"]


def test_users_who_describe_themselves_are_known(fitted):
    said = dict(zip(USERS["user_id"], USERS["about"], strict=True))
    assert fitted.data.descriptions == said
    assert len(fitted.recommend("new", k=3)) == 3 and not fitted.history("new").events


def test_each_answer_also_for_one_user(fitted, answered):
    one = [(item.item_id, item.rank) for item in fitted.recommend("u1", k=3)]
    asked = [row for row in answered["recommend"] if row[0] == "u1"]
    assert one == [(item_id, rank) for _, item_id, _, rank in asked]
    named = [row[1] for row in answered["interests"] if row[0] == "u1"]
    assert [each.name for each in fitted.interests("u1", min_evidence=1).interests] == named
    own = [row for row in answered["timeline"] if row[0] == "u1"]
    line = rows_of(fitted.timeline("u1"))
    assert [row[:4] for row in line] == [row[:4] for row in own]
    assert [row[4] for row in line] == pytest.approx([row[4] for row in own], abs=1e-5)
    effects = fitted.explain("i0", "u1", filter_seen=False).effects
    nats = [row[6] for row in answered["explain"] if row[0] == "u1"]
    assert [effect.nats for effect in effects] == pytest.approx(nats, abs=1e-4)
    assert len(fitted.similar_items("i0", k=99)) == NUM_ITEMS - 1


def test_the_saved_copy_answers_the_same_where_nothing_else_is_left(tmp_path, answered):
    out = tmp_path / "stages"
    trained = fit(MAKERS["polars"][0], out=out)
    trained.save_pretrained(tmp_path / "model")
    shutil.move(tmp_path / "model", tmp_path / "moved")
    del trained
    shutil.rmtree(out)
    copy = Recommender.from_pretrained(tmp_path / "moved", "cpu", num_beams=NUM_ITEMS)
    # And it is the model of the pandas frames: one seed, one model, whatever the frame.
    found = {name: rows_of(frame) for name, frame in answers(copy, SOME).items()}
    assert found == answered
    with pytest.raises(DataError, match="holds nobody's events"):
        copy.recommend("u1")


def test_times_ids_and_rows_twice_make_no_difference(answered):
    when = pd.to_datetime(EVENTS.timestamp, unit="s").dt.tz_localize("UTC")
    other = EVENTS.assign(
        timestamp=when.dt.tz_convert("Asia/Tokyo"),
        user_id=EVENTS.user_id.astype("category"),
        item_id=EVENTS.item_id.astype("string"),
    )
    found = fit(MAKERS["arrow"][0], pd.concat([other, other.head(9)])).recommend(SOME, k=3)
    assert rows_of(found) == answered["recommend"]


def test_another_seed_is_another_model(answered):
    pretrain = {**SHORT["pretrain"], "seed": 5}
    assert (
        rows_of(fit(config={**SHORT, "pretrain": pretrain}).recommend(SOME, k=3))
        != (answered["recommend"])
    )


def test_training_stops_where_nothing_improves(tmp_path):
    pretrain = {
        "epochs": 30,
        "validation": {"users": 12, "num_beams": 10, "every_epochs": 1, "patience": 2},
        "optimizer": {"learning_rate": 1e-12},
        "sasrec": {"epochs": 2},
    }
    fit(config={**SHORT, "pretrain": pretrain}, out=tmp_path)
    curve = json.loads((tmp_path / "pretrain" / "training.json").read_text())["curve"]
    assert len({look["ndcg@10"] for look in curve}) == 1
    assert [look["epoch"] for look in curve] == [1, 2, 3]


def test_numbers_as_ids_are_text_from_then_on(capsys):
    numbers = EVENTS.assign(user_id=EVENTS.user_id.str[1:].astype("Int64"))
    numbers = pd.concat([numbers, numbers.head(1).assign(item_id="lost")])
    config = {**SHORT, "pretrain": {**SHORT["pretrain"], "epochs": 1}}
    recommender = fit(events=numbers, config=config)
    found = recommender.recommend(numbers[numbers.item_id != "lost"], k=1)
    assert set(found.user_id) == {str(n) for n in range(NUM_USERS)}
    assert recommender.recommend(3, k=1)[0].item_id == (found[found.user_id == "3"].item_id.iloc[0])
    asked = recommender.timeline(3)
    assert set(asked.user_id) == {"3"} and len(asked) % NUM_EVENTS == 0
    assert asked.timestamp.iloc[0] == datetime.fromtimestamp(1_500_000_000, UTC)
    told = capsys.readouterr()
    assert "events: 1 of 193 rows are left out (unknown item: 1)" in told.err + told.out
