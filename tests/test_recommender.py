"""What the Python API takes and refuses, on a trained run."""

import pickle
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from genrec.errors import DataError, DecodeError, TooFewItems, WrongTypeError
from genrec.model.load import load_run
from genrec.recommender import Recommender
from genrec.schema import Event, Item, Request


@pytest.fixture(scope="module")
def recommender(chain):
    return Recommender.from_pretrained(chain.sft, "cpu", num_beams=300)


@pytest.fixture(scope="module")
def past(recommender):
    return next(recommender.data.histories("test"))


def ids(found):
    return [item.item_id for item in found]


EVENT = Event("u", "P001", 0)
WRONG = {
    "users": [12.5, True, b"uma-054", {"uma-054": 1}, [1.5], [("uma-054",)]],
    "events": ["P001", 3, EVENT, ["P001"], [("P001", [0])], {"P001": 1}],
    "exclude": ["P001", [1.5], 3],
    "candidates": ["P001", [1.5], 3],
    "at": [[0], True, {}, b"0"],
    "as_of": [[0], True, {}, b"0"],
    "event_type": [3, ["view"]],
    "filter_seen": ["no", 1, None],
    "without": ["P001", 1, [1.0], [None], [True]],
    "interest_bias": [[("tea", 1)], "tea", {"tea": "1"}, {"tea": None}, {3: 1.0}, {("a",): 1.0}],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_an_argument_of_a_wrong_type_is_named(recommender, past, name, value):
    arguments = {name: value} if name in ("users", "events") else {
        "users": past.user_id, name: value
    }  # fmt: skip
    with pytest.raises(TypeError, match=name) as told:
        recommender.recommend(**arguments)
    assert isinstance(told.value, DataError) and "parquet" not in str(told.value)
    with pytest.raises(WrongTypeError, match=name):
        recommender.explain("P001", **arguments)
    if name in ("users", "events"):
        with pytest.raises(WrongTypeError, match=name):
            recommender.interests(**arguments)
        name = name.replace("users", "user_id")
        for ask in (
            recommender.next_interests,
            recommender.evolution,
            recommender.history,
            recommender.prompt,
        ):
            with pytest.raises(WrongTypeError, match=name):
                ask(**{name: value})


def test_an_option_that_does_not_exist_is_named(recommender, past):
    with pytest.raises(
        TypeError, match="no option 'filter_sen'; options are about, as_of, at, cand"
    ):
        recommender.explain("P001", past.user_id, filter_sen=False)
    # Not even by a name that has a meaning inside.
    for name, users in (("user_id", past.user_id), ("histories", [past.user_id])):
        with pytest.raises(TypeError, match=f"no option '{name}'; options are about"):
            recommender.explain("P001", users, **{name: past.user_id})


@pytest.mark.parametrize("k", [True, 3.0, "3", None, [3]])
def test_a_number_of_items_is_a_whole_number(recommender, past, k):
    with pytest.raises(WrongTypeError, match="^k="):
        recommender.recommend(past.user_id, k=k)
    for ask, name in ((recommender.interests, "min_evidence"), (recommender.next_interests, "top")):
        with pytest.raises(WrongTypeError, match=f"^{name}="):
            ask(past.user_id, **{name: k})


def test_other_wrong_arguments_are_named(recommender, past):
    with pytest.raises(WrongTypeError, match="^item_id=3.5"):
        recommender.explain(3.5, past.user_id)
    with pytest.raises(WrongTypeError, match="^item_id="):
        recommender.item(["P001"])
    with pytest.raises(WrongTypeError, match="^prefix="):
        recommender.evolution(past.user_id, prefix="0")
    with pytest.raises(WrongTypeError, match=r"^items\[0\]='P999'"):
        recommender.add_items(["P999"])
    with pytest.raises(WrongTypeError, match="^items="):
        recommender.add_items(Item("P999"))
    with pytest.raises(WrongTypeError, match="^item_ids="):
        recommender.remove_items("P001")
    with pytest.raises(WrongTypeError, match="^request="):
        recommender.recommend_many([past], 3)
    with pytest.raises(DecodeError, match="k=0"):
        recommender.recommend(past.user_id, k=0)
    with pytest.raises(DataError, match="no user 'uma'"):
        recommender.recommend("uma")
    with pytest.raises(WrongTypeError, match=r"^events\[0\].timestamp=None"):
        recommender.recommend(events=[replace(EVENT, timestamp=None)])


def test_moments_and_numbers_are_taken_in_every_form(recommender, past):
    moment = past.events[len(past.events) // 2].timestamp
    then = datetime.fromtimestamp(moment, UTC)
    forms = [then, then.replace(tzinfo=None), then.isoformat(), np.datetime64(moment, "s")]
    plain = recommender.recommend(past.user_id, k=5, at=moment)
    before = recommender.recommend(past.user_id, k=5, as_of=moment)
    events = recommender.recommend(events=past.events[:1], k=5)
    for form in forms:
        assert recommender.recommend(past.user_id, k=np.int64(5), at=form) == plain
        assert recommender.recommend(past.user_id, k=5, as_of=form) == before
    start = datetime.fromtimestamp(past.events[0].timestamp, UTC)
    dated = replace(past.events[0], timestamp=start)
    assert recommender.recommend(events=iter([dated]), k=5) == events
    assert recommender.history(events=[dated]).events == past.events[:1]
    assert recommender.prompt(past.user_id, at=then) == recommender.prompt(past.user_id, at=moment)
    evolution = recommender.evolution(past.user_id, as_of=then)
    assert evolution.to_json() == recommender.evolution(past.user_id, as_of=moment).to_json()


def test_too_few_items_are_told_by_every_way_of_asking(recommender, past):
    few = ids(recommender.recommend(past.user_id, k=3))
    assert sorted(ids(recommender.recommend(past.user_id, k=3, candidates=few))) == sorted(few)
    with pytest.raises(TooFewItems, match="asked for 4 items, but the filters leave 3 of"):
        recommender.recommend(past.user_id, k=4, candidates=few)
    request = Request(past, candidates=frozenset(few))
    with pytest.raises(TooFewItems, match="leave 3 of"):
        recommender.recommend_many([Request(past), request], 4)
    assert recommender.recommend_many([request], 3)[0] == recommender.rank_many([request], 9)[0]
    with pytest.raises(TooFewItems, match="leave"):
        recommender.recommend(past.user_id, k=len(recommender.table) + 1, filter_seen=False)


def test_a_recommender_has_a_short_name_and_says_why_it_cannot_be_pickled(recommender):
    assert len(repr(recommender)) < 200 and repr(recommender).startswith("<Recommender of")
    for move in (pickle.dumps, copy):
        with pytest.raises(TypeError, match="load it once in each process"):
            move(recommender)


def test_what_users_hold_prints_in_one_line_and_can_be_pickled(recommender, past):
    held = [
        recommender.data,
        recommender.table,
        past,
        Request(past, candidates=frozenset(map(str, range(1000)))),
        recommender.evolution(past.user_id),
        recommender.interests(past.user_id),
        recommender.explain("P001", past.user_id),
        *recommender.recommend(past.user_id, k=1),
    ]
    for each in held:
        assert len(repr(each)) < 250 and "\n" not in repr(each)
        assert repr(pickle.loads(pickle.dumps(each))) == repr(each)


def test_retired_items_come_no_more_until_they_are_added_again(chain, past):
    recommender = Recommender.from_pretrained(chain.sft, "cpu", num_beams=300)
    gone = [past.events[0].item_id, recommender.recommend(past.user_id, k=1)[0].item_id]
    items = [recommender.item(item_id) for item_id in gone]
    size = len(recommender.table)
    recommender.remove_items(gone)
    assert len(recommender.table) == size - 2 and not any(map(recommender.knows, gone))
    everything = recommender.recommend(past.user_id, k=size - 2, filter_seen=False)
    assert not set(gone) & set(ids(everything))
    kept = [event for event in past.events if event.item_id not in gone]
    assert recommender.history(past.user_id).events == tuple(kept)
    assert recommender.interests(past.user_id).words
    with pytest.raises(DataError, match="not in the table"):
        recommender.remove_items(gone)
    recommender.add_items(items)
    assert recommender.history(past.user_id) == past
    assert set(gone) <= set(ids(recommender.recommend(past.user_id, k=size, filter_seen=False)))


def test_words_behind_ids_are_those_of_the_catalogue_at_hand(chain):
    """Of a new item, of an item that came back with another title, and of another catalogue."""
    recommender = Recommender.from_pretrained(chain.base, "cpu")

    def read(item_id):
        return recommender.prompt(events=[Event("n", item_id, 50)])[0]

    recommender.add_items([Item("new", title='Tea kettle of glass"<|end|>')])
    assert '> "Tea kettle of glass”‹|end|>"\nright after' in read("new")
    recommender.remove_items(["new"])
    recommender.add_items([Item("new", title="Steel pot")])
    assert '> "Steel pot"\n' in read("new")
    known = recommender.data.items[0]
    assert f'> "{known.title}' in read(known.item_id)


def test_prompts_of_a_run_are_those_of_its_recommender(chain):
    """So what training validates, commands and servers read the same."""
    run, recommender = load_run(chain.base), Recommender.from_pretrained(chain.base, "cpu")
    for number, history in enumerate(recommender.data.histories("test")):
        tokens = run.encoder.prompts([Request(history)])[0]
        text = run.encoder.tokenizer.decode(tokens)
        assert recommender.prompt(history.user_id) == (text, len(tokens))
        if number == 5:
            break
