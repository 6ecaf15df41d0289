"""Answers taken apart: JSON repaired once, titles mapped to items, bias measured."""

import asyncio

import numpy as np
import pytest

from genrec.schema import Event, History, Item, Request
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.json_answers import find_json, list_format, list_parser, request_json
from genrec.zero_shot.open_ended import OpenRecommender, TitleIndex
from genrec.zero_shot.position_bias import PositionBias
from genrec.zero_shot.prompts import PromptWriter
from genrec.zero_shot.ranking import CandidateRanker
from genrec.zero_shot.usage import Usage

ITEMS = [
    Item("kettle", title="Brightmoor Gooseneck Kettle, 1 l"),
    Item("tray", title="Brightmoor Bamboo Tea Tray"),
    Item("pot", title="Kettle & Crane Cast Iron Teapot"),
    Item("camera", title="Aperta 35 mm Film Camera"),
]
WRITER = PromptWriter({item.item_id: item for item in ITEMS}.get)
ASKED = Request(History("u", (Event("u", "camera", 1),)))


class Scripted:
    """Says what it is told to; the protocol's other half is not needed here."""

    name, can_score = "scripted", False

    def __init__(self, *answers):
        self.answers, self.asked, self.usage = list(answers), [], Usage()

    async def context_tokens(self):
        return 4096

    async def count_tokens(self, chat):
        return 10

    async def write(self, chat, max_tokens, response_format=None):
        self.asked.append(chat)
        return self.answers.pop(0)


def ask(model):
    form = list_format("ranking", "ranking", None, 3)
    question = request_json(
        model, [{"role": "user", "content": "?"}], form, list_parser("ranking"), 9, WRITER.repair
    )
    return asyncio.run(question)


def test_good_json_is_asked_for_once():
    model = Scripted('{"ranking": ["a"]}')
    assert ask(model) == ["a"] and len(model.asked) == 1 and model.usage.repaired == 0


@pytest.mark.parametrize(
    "text",
    [
        'Sure! ```json\n{"ranking": ["a"]}\n``` Enjoy.',
        '<think>{"x"</think>{"ranking": ["a"]}',
        '{"ranking": ["a"]} {"ranking": ["b"]}',
    ],
)
def test_words_around_json_are_cut_away(text):
    model = Scripted(text)
    assert ask(model) == ["a"] and len(model.asked) == 1 and model.usage.repaired == 1


@pytest.mark.parametrize("text", ['{"ranking": ["a"', "no", '{"ranking": {}}', '{"ranking": [1]}'])
def test_else_the_model_is_asked_again_once(text):
    model = Scripted(text, '{"ranking": ["a"]}')
    assert ask(model) == ["a"] and model.usage.repaired == 1
    question, answer, follow_up = model.asked[1]
    assert answer == {"role": "assistant", "content": text} and "JSON alone" in follow_up["content"]
    model = Scripted(text, text, '{"ranking": ["a"]}')
    with pytest.raises(ChatError):
        ask(model)
    assert len(model.asked) == 2 and model.usage.failed == 1 and model.usage.repaired == 0


def test_find_json_says_what_is_missing():
    with pytest.raises(ValueError):
        find_json("nothing here")


@pytest.mark.parametrize(
    ("title", "item"),
    [
        ("Brightmoor Gooseneck Kettle, 1 l", "kettle"),
        ("brightmoor  gooseneck kettle 1 L", "kettle"),
        ("Gooseneck Kettle 1 l by Brightmoor", "kettle"),
        ("Aperta 35mm Film Camera", "camera"),
        ("Brightmoor", None),
        ("Quantum Toaster 3000", None),
        ("", None),
        ("…", None),
    ],
)
def test_titles_mean_items_or_nothing(title, item):
    found = TitleIndex(ITEMS).find(title)
    assert (found and found.item_id) == item


def test_open_recommendations_keep_what_exists_and_count_the_rest():
    named = ["Quantum Toaster", "Brightmoor Bamboo Tea Tray", "bamboo tea tray, brightmoor"]
    named += ["Aperta 35 mm Film Camera", "Kettle & Crane Cast Iron Teapot"]
    model = Scripted('{"titles": ["' + '", "'.join(named) + '"]}')
    asker = OpenRecommender(model, WRITER, TitleIndex(ITEMS))
    found = asyncio.run(asker.recommend(ASKED, ITEMS, 5))
    assert [item.item_id for item, _ in found] == ["tray", "pot"]
    assert model.usage.dropped == {
        "title of no item": 1, "named twice": 1, "item not allowed": 1
    }  # fmt: skip


def rank(model, orders=1):
    bias = PositionBias()
    ranker = CandidateRanker(model, WRITER, bias, "generate", orders)
    return asyncio.run(ranker.rank(ASKED, ITEMS[:3])), bias


def test_a_written_ranking_keeps_only_candidates():
    model = Scripted('{"ranking": ["Tea", "Kettle & Crane Cast Iron Teapot", "Tea"]}')
    ranked, _ = rank(model)
    assert [item.item_id for item, _ in ranked] == ["pot", "kettle", "tray"]
    assert model.usage.dropped == {"not a candidate": 2, "candidates not named": 2}
    with pytest.raises(ChatError, match="no candidate named"):
        rank(Scripted('{"ranking": ["Tea"]}'))


class Parrot(Scripted):
    """Ranks candidates as they are shown."""

    async def write(self, chat, max_tokens, response_format=None):
        key, shown, _ = response_format.choices
        return '{"ranking": ["' + '", "'.join(shown) + '"]}'


def test_following_the_order_shown_is_seen_as_bias():
    _, bias = rank(Parrot(), orders=8)
    found = bias.to_json()
    assert found["correlation"] == pytest.approx(1) and found["first_shown_chosen"] == 1
    assert found["lists"] == 8 and found["chance"] == pytest.approx(1 / 3)
    assert found["agreement"] < 0.9


def test_averaging_orders_takes_the_bias_away():
    scores = np.array([score for _, score in rank(Parrot(), orders=60)[0]])
    assert scores.max() - scores.min() < 1
    alone = np.array([score for _, score in rank(Parrot())[0]])
    assert alone.max() - alone.min() == 2
