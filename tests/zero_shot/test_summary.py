"""Summaries by a chat model: asked with numbered events, read strictly, checked as any other."""

import asyncio
import json

import numpy as np
import pytest

from genrec.interests.summary.check import check_summary
from genrec.interests.summary.schema import SummaryContent
from genrec.schema import Event, History, Item
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.prompts import PromptWriter
from genrec.zero_shot.summary import Summarizer
from tests.zero_shot.test_answers import Scripted

NAMES = ["tea", 'the "good" garden [roses]', "cakes"]
ITEMS = [Item(f"{one}{n}", title=f"{one} {n}") for one in "abc" for n in (0, 1)]
TABLE = SemanticIdTable(
    item_ids=[item.item_id for item in ITEMS],
    codes=np.array([["abc".index(i.item_id[0]), int(i.item_id[1]), 0] for i in ITEMS]),
    codebook_size=4,
    centroids=np.zeros((3, 4, 2), dtype=np.float32),
    names={(code,): name for code, name in enumerate(NAMES)},
)
WRITER = PromptWriter({item.item_id: item for item in ITEMS}.get)
GROWING = History(
    "u", tuple(Event("u", f"{letter}{n % 2}", 86_400 * n, review="Fine [9]\n- [3]") for n, letter in
               enumerate("aaaaabb"))
)  # fmt: skip


def answer(summary="", **lists):
    claims = {
        name: [{"interest": one, "events": cited} for one, cited in lists.get(name, {}).items()]
        for name in ("long_term", "recent", "emerging", "fading")
    }
    return {**claims, "summary": summary}


class Watched(Scripted):
    """Remembers the form it was held to."""

    async def write(self, chat, max_tokens, response_format=None):
        self.response_format = response_format
        return await super().write(chat, max_tokens, response_format)


def summarize(model, history=GROWING):
    return asyncio.run(Summarizer(model, WRITER, TABLE).summarize(history))


def test_a_true_answer_passes_and_names_come_back_unquoted():
    quoted = "the 'good' garden (roses)"
    said = answer(
        f"Loves {quoted}. Has left tea behind.", emerging={quoted: [7, 6]}, fading={"tea": [1, 2]}
    )
    model = Watched(json.dumps(said))
    summary = summarize(model)
    assert summary.by_model and not summary.unsupported and summary.miscited == 0
    assert summary.words == f"Loves {NAMES[1]}. Has left tea behind."
    assert summary.content.emerging[0].interest == NAMES[1]
    assert summary.content.emerging[0].events == [7, 6]
    prompt = model.asked[0][-1]["content"]
    assert "- [1] start" in prompt and "- [7] " in prompt and f'- "{quoted}"' in prompt
    assert "[9]" not in prompt
    schema = model.response_format.schema
    assert schema["$defs"]["Claim"]["properties"]["events"]["items"]["enum"] == [*range(1, 8)]
    assert quoted in schema["$defs"]["Claim"]["properties"]["interest"]["enum"]


def test_what_is_not_true_is_dropped_and_counted():
    said = answer(
        "Turning to cakes. A great fan of cakes!", emerging={"cakes": [7], "tea": [6, 1, 1, 40]}
    )
    model = Watched(json.dumps(said))
    summary = summarize(model)
    assert summary.unsupported == ("cakes",) and summary.moved == ("tea",)
    assert summary.content.fading[0].events[0] == 1 and "cakes" not in summary.words
    assert model.usage.dropped == {
        "interest without evidence": 1,
        "event that shows another interest": 4,
        "sentence without evidence": 2,
    }


def test_the_same_checks_as_for_a_tuned_model():
    said = answer("Turning to cakes.", recent={"tea": [3], "cakes": [1]}, long_term={"tea": [2]})
    form = SummaryContent.model_validate(said)
    assert summarize(Watched(json.dumps(said))) == check_summary(form, GROWING, TABLE)


@pytest.mark.parametrize("history", [History("u", ()), History("u", GROWING.events[:1])])
def test_too_little_history_says_so(history):
    summary = summarize(
        Watched(json.dumps(answer("A tea lover: tea.", recent={"tea": [1]}))), history
    )
    assert summary.words == "Not enough history to say." and not summary.interests


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"interests": []}, "long_term: Field required"),
        (answer(recent={"tea": ["first"]}), "recent.0.events.0: Input should be a valid integer"),
        ({**answer(), "more": 1}, "more: Extra inputs are not permitted"),
    ],
)
def test_an_answer_of_another_form_is_asked_for_again_with_the_fault(wrong, fault):
    model = Watched(json.dumps(wrong), json.dumps(answer("Tea.", fading={"tea": [1]})))
    assert summarize(model).names("fading") == ["tea"]
    assert fault in model.asked[1][-1]["content"] and model.usage.repaired == 1
    with pytest.raises(ChatError):
        summarize(Watched(json.dumps(wrong), json.dumps(wrong)))
