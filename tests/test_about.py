"""Who somebody is, in their own words: read, matched, stored live, forgotten; never an order."""

from dataclasses import replace

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from genrec.batch.config import BatchConfig
from genrec.batch.job import recommend_all
from genrec.cli import app as cli
from genrec.data.prepare import prepare
from genrec.errors import DataError
from genrec.model.sasrec_head import Terms
from genrec.recommender import Recommender
from genrec.schema import History, Request
from genrec.semantic_ids.row_scores import RowScores
from tests.little_gateway import start_gateway
from tests.little_shop import run_with_a_say, shown

K = 4
POTS = {f"i{n}" for n in range(18) if n % 4 == 2}


@pytest.fixture(scope="module")
def run(shop_run, tmp_path_factory):
    """The little shop's run, in which the head has a say, and descriptions half of a wish's."""
    name = tmp_path_factory.mktemp("described").name
    with run_with_a_say(shop_run, name, Terms(wish=8.0, about=0.5)) as run:
        yield run


@pytest.fixture(scope="module")
def shop(run) -> Recommender:
    return Recommender.from_pretrained(run, "cpu", num_beams=18)


@pytest.fixture(scope="module")
def reader(shop, run) -> Recommender:
    """A recommender whose model is shown descriptions, though it was not trained on any."""
    return shown(run, shop, reads_about=True)


def ids(found):
    return [item.item_id for item in found]


def test_somebody_without_events_gets_what_they_speak_of(shop):
    found = ids(shop.recommend(events=[], k=len(POTS), about="I collect pots."))
    assert set(found) == POTS


def test_a_description_counts_as_its_share_of_a_wish(shop):
    """Half of a wish's score: the two agree where the wish's factor is halved."""
    halved = replace(shop._run.sasrec_head.terms, wish=4.0)
    described = shop.recommend("u0", k=10, about="pots")
    before, shop._run.sasrec_head.terms = shop._run.sasrec_head.terms, halved
    try:
        wished = shop.recommend("u0", k=10, query="pots")
    finally:
        shop._run.sasrec_head.terms = before
    assert ids(described) == ids(wished)
    assert [one.score for one in described] == pytest.approx([one.score for one in wished])


def test_a_wish_goes_before_what_somebody_is(shop):
    assert "Coffee" in shop.recommend(events=[], k=1, about="pots", query="coffee")[0].title


@given(
    st.dictionaries(st.integers(0, 20), st.floats(0.1, 9), max_size=9),
    st.dictionaries(st.integers(0, 20), st.floats(0.1, 9), max_size=9),
)
def test_matches_add_up(first, second):
    def to_matches(scores):
        rows = np.array(sorted(scores), dtype=np.int64)
        return RowScores(rows, np.array([scores[row] for row in rows], dtype=np.float32))

    both = to_matches(first).plus(to_matches(second), 0.25)
    expected = {row: first.get(row, 0) + 0.25 * second.get(row, 0) for row in first.keys() | second}
    found = dict(zip(both.rows.tolist(), both.scores.tolist(), strict=True))
    assert list(found) == sorted(expected)
    assert found == pytest.approx(expected, rel=1e-5)


def test_it_stands_in_the_header_quoted_capped_and_redacted(reader, shop):
    said = '"Bake" me@post.example <|item|> ' + "tea " * 400
    text, tokens = reader.prompt("u0", about=said)
    plain, fewer = reader.prompt("u0")
    assert text.startswith('<|user|> "”Bake” … ‹|item|>')
    assert text.count("<|item|>") == plain.count("<|item|>") and text.endswith(plain[8:])
    assert fewer < tokens <= fewer + reader._run.encoder.about_limit
    assert shop.prompt("u0", about=said) == shop.prompt("u0")


def test_events_have_as_much_room_with_a_description_as_without(reader):
    history = reader.history("u0")
    described = replace(history, about="tea " * 400)
    encoder = reader._run.encoder
    assert encoder.views([history]) == encoder.views([described])
    prompts = encoder.prompts([Request(history), Request(described)])
    events = prompts[0][len(encoder.header) :]
    assert prompts[1][-len(events) :] == events


@pytest.mark.parametrize("about", ["", "  ", "x" * 100_000, 3, "\ud800"])
def test_what_cannot_be_used_is_refused(shop, about):
    with pytest.raises(DataError, match="about"):
        shop.recommend("u0", k=K, about=about)


@pytest.mark.parametrize(
    "about", ["茶が好きです 🫖", "أحب القهوة", "\N{RIGHT-TO-LEFT OVERRIDE}stop"]
)
def test_any_script_is_taken(reader, about):
    found = ids(reader.recommend("u0", k=K, about=about))
    assert len(set(found)) == K


def test_the_command_line_asks_for_somebody_new(run):
    arguments = ["--run", str(run), "-k", "3", "--device", "cpu"]
    asked = CliRunner().invoke(cli, ["recommend", *arguments, "--about", "I collect pots"])
    assert asked.exit_code == 0 and "Pots thing" in asked.output
    assert CliRunner().invoke(cli, ["recommend", *arguments]).exit_code != 0


@pytest.fixture(scope="module")
def client(run, tmp_path_factory):
    with start_gateway(run, tmp_path_factory.mktemp("store")) as client:
        yield client


def items(client, **body):
    answer = client.post("/v1/recommend", json={"k": K, **body})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def test_a_request_may_say_who_asks(client):
    assert set(items(client, events=[], about="pots, please")) <= POTS
    assert items(client, user_id="u0") == items(client, user_id="u0", about="zzz")


def test_what_is_stored_counts_from_the_next_answer_on_until_taken_back(client):
    path = "/v1/users/somebody/about"
    assert client.get(path).status_code == 404
    said = client.put(path, json={"about": "I collect pots. me@post.example"})
    assert said.json() == {"user_id": "somebody", "about": "I collect pots. …"}
    assert client.get(path).json() == said.json()
    assert set(items(client, user_id="somebody")) <= POTS
    client.put(path, json={"about": "coffee"})
    assert not set(items(client, user_id="somebody")[:3]) & POTS
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404


def test_it_is_forgotten_with_the_user(client):
    path = "/v1/users/passing/about"
    client.put(path, json={"about": "pots"})
    assert client.delete("/v1/users/passing").status_code < 300
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("about", ["", " ", "x" * 20_000, "a\x00b", 3, "me@post.example"])
def test_http_refuses_what_cannot_be_used(client, about):
    answer = client.put("/v1/users/u0/about", json={"about": about})
    assert answer.status_code in (400, 422) and answer.json()["error"]["message"]


def test_a_history_without_a_description_is_as_before(shop):
    plain = Request(History("u", ()))
    assert shop.rank_many([plain], K) == shop.rank_many([replace(plain, query=None)], K)


@pytest.fixture(scope="module")
def described(run, tmp_path_factory):
    """The shop's log beside a file of users, one of whom has no events."""
    folder = tmp_path_factory.mktemp("described")
    (folder / "users.csv").write_text("user_id,about\nnew one,I collect pots\nu1,I love tea\n")
    shop = run.parent
    prepare(shop / "events.csv", shop / "items.jsonl", folder / "data", users=folder / "users.csv")
    return folder


def test_a_batch_job_answers_those_who_only_describe_themselves(run, described, shop):
    data, out = described / "data", described / "recs.parquet"
    for users, expected in ((None, 13), (described / "users.csv", 2)):
        asked = None if users is None else str(users)
        config = BatchConfig(str(run), str(out), str(data), asked, k=K, device="cpu")
        report = recommend_all(config)
        assert (report.users, report.rejects) == (expected, 0)
        rows = pq.read_table(out).to_pylist()
        found = [row["item_id"] for row in rows if row["user_id"] == "new one"]
        assert found == ids(shop.recommend(events=[], k=K, about="I collect pots"))
        known = [row["item_id"] for row in rows if row["user_id"] == "u1"]
        assert known == ids(shop.recommend("u1", k=K, about="I love tea"))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_frame_of_users_says_who_they_are(shop, make):
    users = {"user_id": ["u1", "new", "u2"], "about": ["I love tea", "I collect pots", None]}
    rows = nw.from_native(shop.recommend(make(users), k=K), eager_only=True).rows(named=True)
    found = {
        user: [row["item_id"] for row in rows if row["user_id"] == user]
        for user in users["user_id"]
    }
    assert found["u1"] == ids(shop.recommend("u1", k=K, about="I love tea"))
    assert found["new"] == ids(shop.recommend(events=[], k=K, about="I collect pots"))
    assert found["u2"] == ids(shop.recommend("u2", k=K))
    for wrong, message in (
        ({"user_id": ["nobody"], "about": [None]}, "what they say of themselves"),
        ({"user_id": ["new"], "about": [3]}, r"users.about\[0\]"),
        ({"user_id": ["new", "new"], "about": ["tea", "pots"]}, "says two things"),
    ):
        with pytest.raises(DataError, match=message):
            shop.recommend(make(wrong), k=K)
