"""Text similarity against a plain computation, and what it answers where there is no text."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.baselines import Popularity
from genrec.baselines.text_similarity import TextSimilarity, TextSimilarityConfig
from genrec.errors import ConfigError
from genrec.schema import Event, History, Item, Request
from genrec.semantic_ids.table import SemanticIdTable

VECTORS = np.array([[1, 0], [0, 2], [1, 1], [-3, 0], [0, 0], [0, 0]], dtype=np.float32)
COUNTS = np.array([5, 1, 4, 2, 3, 9])
ITEMS = [Item(f"i{place}") for place in range(len(VECTORS))]


def ask(*item_ids: str, **filters) -> Request:
    events = tuple(Event("u", item_id, place) for place, item_id in enumerate(item_ids))
    return Request(History("u", events), **filters)


@pytest.fixture(scope="module")
def ranker() -> TextSimilarity:
    return TextSimilarity(ITEMS, COUNTS, VECTORS)


def ids(answer) -> list[str]:
    return [given.item_id for given in answer]


def test_scores_are_those_of_a_plain_computation(toy_data, toy_index):
    table = SemanticIdTable.load(toy_index)
    decay = 0.5
    ranker = TextSimilarity.fit(toy_data, table, TextSimilarityConfig(decay=decay))
    vectors = table.encoder.text.encode(toy_data.items).astype(float)
    place_of = toy_data.item_index
    for example in list(toy_data.examples("test"))[:5]:
        taken = [place_of[event.item_id] for event in example.history.events]
        profile = sum(
            decay ** (len(taken) - 1 - place) * vectors[item] for place, item in enumerate(taken)
        )
        request = Request(example.history, filter_seen=False)
        for given in ranker.rank_many([request], len(toy_data.items))[0]:
            vector = vectors[place_of[given.item_id]]
            cosine = profile @ vector / np.linalg.norm(profile) / np.linalg.norm(vector)
            assert given.score == pytest.approx(cosine + 1, abs=1e-5)


def test_likest_first_and_items_without_text_last_by_popularity(ranker):
    (answer,) = ranker.rank_many([ask("i0", filter_seen=False)], 6)
    assert ids(answer) == ["i0", "i2", "i1", "i5", "i4", "i3"]
    assert [given.score for given in answer] == pytest.approx([2, 1 + 0.5**0.5, 1, 0, 0, 0])


def test_newer_events_weigh_more(ranker):
    answers = ranker.rank_many([ask("i0", "i1"), ask("i1", "i0")], 1)
    assert ids(answers[0]) == ids(answers[1]) == ["i2"]
    answers = ranker.rank_many([ask("i0", "i1", filter_seen=False), ask("i1", "i0")], 3)
    scores = {given.item_id: given.score for given in answers[0]}
    assert scores["i1"] > scores["i0"]


@pytest.mark.parametrize("taken", [(), ("i4",), ("i5", "i4"), ("nowhere",)])
def test_users_without_text_get_what_is_popular(ranker, taken):
    (answer,) = ranker.rank_many([ask(*taken, filter_seen=False)], 6)
    (popular,) = Popularity(ITEMS, COUNTS).rank_many([ask(filter_seen=False)], 6)
    assert ids(answer) == ids(popular)
    assert {given.score for given in answer} == {0.0}


def test_behaviour_has_no_say(toy_data, toy_index):
    """Only how ties and gaps are filled may depend on events."""
    table = SemanticIdTable.load(toy_index)
    unlearned = replace(table, codes=table.codes[::-1].copy(), met=None)
    request = [Request(next(toy_data.examples("test")).history)]
    one = TextSimilarity.fit(toy_data, table).rank_many(request, 10)
    assert one == TextSimilarity.fit(toy_data, unlearned).rank_many(request, 10)


def test_a_table_without_text_is_refused(toy_data, toy_index):
    table = SemanticIdTable.load(toy_index)
    for blind in (replace(table, encoder=None), replace(table, encoder=no_text(table.encoder))):
        with pytest.raises(ConfigError, match=r"text\.weight"):
            TextSimilarity.fit(toy_data, blind)


def no_text(encoder):
    return replace(encoder, text=None)
