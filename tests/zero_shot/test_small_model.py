"""A real chat model in this process, if a very small one: its JSON is JSON, and ends in time."""

import asyncio
import json

import pytest

from genrec.interests.summary.schema import SummaryContent
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.json_answers import list_format
from genrec.zero_shot.local import LocalChat
from genrec.zero_shot.summary import Summarizer
from tests.zero_shot.test_summary import GROWING, NAMES, TABLE, WRITER

CHAT = [{"role": "user", "content": "Name fruits that are red."}]


class Heard(LocalChat):
    """Remembers what it wrote."""

    def __init__(self):
        super().__init__("smollm2", "cpu")
        self.heard = []

    async def write(self, chat, max_tokens, response_format=None):
        self.heard.append(await super().write(chat, max_tokens, response_format))
        return self.heard[-1]


@pytest.fixture(scope="module")
def model():
    return Heard()


def test_a_summary_is_written_in_its_own_words_under_the_schema(model):
    summarizer = Summarizer(model, WRITER, TABLE, answer_tokens=150)
    summary = asyncio.run(summarizer.summarize(GROWING))
    said = SummaryContent.model_validate_json(model.heard[-1])
    quoted = {name.replace('"', "'").replace("[", "(").replace("]", ")") for name in NAMES}
    assert {claim.interest for _, claim in said.claims()} <= quoted
    assert said.summary and len(model.heard) == 1 and not model.usage.failures
    assert model.usage.answer_tokens <= 150
    assert {interest.name for interest in summary.interests} <= set(NAMES)


@pytest.mark.parametrize("most", [12, 30, 60])
def test_a_free_list_ends_in_time(model, most):
    before = model.usage.answer_tokens
    form = list_format("titles", "titles", None, 9)
    titles = json.loads(asyncio.run(model.write(CHAT, most, form)))["titles"]
    assert titles and model.usage.answer_tokens - before <= most


def test_too_little_room_for_any_answer_is_counted(model):
    with pytest.raises(ChatError, match="as few as 3 tokens"):
        asyncio.run(model.write(CHAT, 3, list_format("titles", "titles", None, 9)))
    assert model.usage.failures == {"length": 1}
