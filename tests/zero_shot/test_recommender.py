"""The recommender as Python users and the command line know it."""

import json

import numpy as np
import pytest

from benchmarks.zero_shot import measure_injection
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError, DecodeError
from genrec.recommender import Recommender
from genrec.schema import Event, History, Item, Request
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.candidates import SOURCES, Retriever
from genrec.zero_shot.config import ZeroShotConfig
from tests.conftest import genrec, succeed


def zero_shot(chat_model, chain, **settings):
    config = ZeroShotConfig(**settings)
    return Recommender.zero_shot(str(chat_model), chain.data, config, chain.index, device="cpu")


@pytest.fixture(scope="module")
def recommender(chat_model, chain):
    return zero_shot(chat_model, chain)


def test_candidates_of_every_source_take_turns(data, chain, requests):
    table = SemanticIdTable.load(chain.index)
    every = Retriever(data, table).find(requests[:20], 12)
    alone = [Retriever(data, table, [source]).find(requests[:20], 12) for source in SOURCES]
    for place, (request, found) in enumerate(zip(requests, every, strict=False)):
        assert len(found) == len(set(found)) == 12
        assert not set(found) & {event.item_id for event in request.history.events}
        for lists in alone:
            assert set(lists[place][:1]) <= set(found)
    with pytest.raises(ConfigError, match="item-knn"):
        Retriever(data, table, ["astrology"])


def test_what_users_say_brings_candidates_and_is_shown(recommender, data):
    title = data.items[7].title
    for spoken in ({"query": title}, {"about": f"I collect {title}"}):
        (request,) = (recommender._request(None, (), **spoken),)
        assert recommender._candidates([request])[0][0].title == title
        text, _ = recommender.prompt(events=[], **spoken)
        assert next(iter(spoken.values())) in text
        assert len(recommender.recommend(events=[], k=3, **spoken)) == 3


@pytest.mark.parametrize("method", ["logprob", "generate"])
def test_only_real_items_in_the_models_order(chat_model, chain, requests, method, data):
    recommender = zero_shot(chat_model, chain, method=method, num_candidates=8, orders=2)
    for request, answer in zip(
        requests[:10], recommender.rank_many(requests[:10], 15), strict=True
    ):
        ids = [found.item_id for found in answer]
        assert len(set(ids)) == 15 and set(ids) <= set(data.item_index)
        assert set(ids[:8]) == {item.item_id for item in recommender._candidates([request])[0]}
    report = recommender.report()
    assert report["usage"]["tasks"] == 10 and report["usage"]["failed_tasks"] == 0
    assert report["position_bias"]["lists"] == 20
    assert report["position_bias"]["agreement"] is not None


def test_scores_of_the_candidates_are_probabilities(recommender, requests):
    answer = recommender.rank_many(requests[:1], 20)[0]
    assert np.exp([found.score for found in answer]).sum() == pytest.approx(1)


def test_a_history_that_is_too_long_is_cut_and_answered(recommender, requests, data):
    events = [event for one in data.histories("train") for event in one.events][:3000]
    long = History("long", tuple(Event("long", e.item_id, n, "view") for n, e in enumerate(events)))
    found = recommender.rank_many([Request(long, filter_seen=False)], 5)[0]
    assert len(found) == 5
    assert recommender.usage.prompt_tokens <= 2048 * recommender.usage.sent


def test_new_users_new_items_and_faults(recommender, data):
    assert len(recommender.recommend(events=[], k=7)) == 7
    with pytest.raises(DataError, match="nobody"):
        recommender.recommend("nobody")
    with pytest.raises(DataError, match="none"):
        recommender.recommend(events=[], exclude=["none"])
    with pytest.raises(DecodeError, match="filters leave 1"):
        recommender.recommend(events=[], k=2, candidates=["P001"])
    with pytest.raises(ConfigError, match="takes none"):
        recommender.load_adapter("a", "b")


def test_an_order_in_a_review_does_no_more_than_a_mention(recommender, requests):
    moved = measure_injection(recommender, requests[:60], seed=0)["moved"]
    # Ranks of 20; below 0 the thing named rises. `make bench-zero-shot` asks more users.
    gain = moved["order against mention"]
    # An order that were obeyed would lift it by many ranks; chance moves the mean of 60 by a half.
    assert gain["low"] > -1.0 and gain["mean"] > -0.5, moved


def test_a_new_item_is_found_by_its_text(chat_model, chain):
    recommender = zero_shot(chat_model, chain, num_candidates=10)
    kettle = recommender.item("P007")
    recommender.add_items([Item("N1", "Kettle & Crane Glass Gooseneck Kettle", kettle.brand,
                                kettle.categories)])  # fmt: skip
    bought = [Event("new", "P007", 1, "purchase", 5.0)]
    assert "N1" in {found.item_id for found in recommender.recommend(events=bought, k=10)}
    codes = recommender.codes_of("N1")
    recommender.rewrite_items([Item("N1", "Oak Bookshelf", "Halden")])
    assert recommender.codes_of("N1") == codes and recommender.item("N1").title == "Oak Bookshelf"
    assert "N1" not in {found.item_id for found in recommender.recommend(events=bought, k=10)}


def test_what_can_be_supposed_and_what_cannot(recommender, data):
    events = data.history(next(data.histories("test")).user_id).events
    moment = events[2].timestamp
    found = recommender.recommend(events=events, k=3, as_of=moment, without=[1])
    known = [event for event in events[1:] if event.timestamp < moment]
    assert found == recommender.recommend(events=known, k=3, at=moment)
    with pytest.raises(ConfigError, match="cannot be tilted"):
        recommender.recommend(
            events=events, k=3, interest_bias={recommender.codes_of("P001")[:1]: 1}
        )
    with pytest.raises(ConfigError, match="nothing to explain by"):
        recommender.explain("P001", events=events)


def test_ratings_and_next_interests(recommender, requests, data):
    prediction = recommender.predict_ratings([(requests[0].history, data.items[0])])[0]
    assert 1 <= prediction.rating <= 5
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    expected = recommender.next_interests(requests[0].history.user_id, top=3)
    names = set(recommender.table.names.values())
    assert expected and all(name in names and 0 < share <= 1 for name, share in expected)


def test_a_table_of_other_data_is_refused(chat_model, chain, tmp_path):
    succeed(genrec("toy", "--out", tmp_path / "raw", "--set", "num_users=20"))
    files = ("--events", tmp_path / "raw/events.csv.gz", "--items", tmp_path / "raw/items.jsonl.gz")
    succeed(genrec("prepare", *files, "--out", tmp_path / "data"))
    done = genrec(
        *("recommend", "--zero-shot", "--model", chat_model, "--data", tmp_path / "data"),
        *("--index", chain.index, "--user", "uma-054"),
    )
    assert done.returncode == 2 and "was built on data" in done.stderr


def test_the_commands(chat_model, chain, tmp_path):
    model = ("--zero-shot", "--model", chat_model, "--data", chain.data, "--index", chain.index)
    done = succeed(genrec("recommend", *model, "--user", "uma-054", "-k", 3, "--json"))
    known = Dataset.load(chain.data).item_index
    assert [one["rank"] for one in json.loads(done.stdout)] == [1, 2, 3]
    assert all(one["item_id"] in known for one in json.loads(done.stdout))
    assert "tokens" in done.stderr
    out = tmp_path / "evaluation"
    done = succeed(
        genrec(
            *("evaluate", *model, "--run", chain.sft, "--max-users", 12, "--out", out, "--json"),
            *("--set", "orders=2", "--set", "num_candidates=6"),
        )
    )
    report = json.loads(done.stdout)
    assert (
        list(report["rankers"])[:2] == ["zero-shot", "genrec"] and "item-knn" in report["rankers"]
    )
    assert report["rankers"]["zero-shot"]["filtered"]["invalid_rate"] == 0
    assert report["zero_shot"]["usage"]["tasks"] == 24
    assert report["zero_shot"]["position_bias"]["lists"] == 48
    succeed(genrec("lint-report", out))
    shown = succeed(
        genrec("evaluate", *model, "--max-users", 3, "--set", "num_candidates=4")
    ).stdout
    assert "position bias" in shown and "failed" in shown and "0.00%" in shown


def test_options_that_are_missing_or_wrong_are_named(chat_model, chain):
    done = genrec("recommend", "--user", "u")
    assert done.returncode == 2 and "--zero-shot" in done.stderr
    done = genrec("recommend", "--zero-shot", "--user", "u", "--model", chat_model)
    assert done.returncode == 2 and "--data" in done.stderr
    done = genrec("recommend", "--zero-shot", "--user", "u", "--model", chat_model, "--data",
                  chain.data, "--set", "orders=none")  # fmt: skip
    assert done.returncode == 2 and "orders" in done.stderr
    model = ("--zero-shot", "--model", chat_model, "--data", chain.data)
    for command, of_a_run in (
        ("recommend", ("--user", "u", "--run", chain.sft)),
        ("recommend", ("--user", "u", "--new-item-boost", 1)),
        ("interests", ("--user", "u", "--histories", chain.data)),
        ("evaluate", ("--catalogue", chain.data)),
    ):
        done = genrec(command, *model, *of_a_run)
        assert done.returncode == 2 and "leave out what is of a run" in done.stderr
    for given in (("--data", chain.data), ("--set", "orders=2"), ("--model", "smollm2")):
        done = genrec("evaluate", "--run", chain.sft, *given)
        assert done.returncode == 2 and f"{given[0]} goes with --zero-shot" in done.stderr


def test_nothing_is_asked_for_an_output_that_cannot_be_written(chain, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = genrec("evaluate", "--run", chain.sft, "--out", tmp_path)
    assert done.returncode == 2 and "is not a genrec artifact" in done.stderr
    assert "asked about" not in done.stderr
