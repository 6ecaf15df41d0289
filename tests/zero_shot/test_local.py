"""A chat model in this process: the prompt read once, only options written."""

import asyncio
import json

import numpy as np
import pytest
import torch

from benchmarks.zero_shot import score_separately
from genrec.errors import ConfigError
from genrec.model.scratch import ScratchConfig, make_model, train_tokenizer
from genrec.zero_shot.chat import ResponseFormat
from genrec.zero_shot.local import LocalChat
from genrec.zero_shot.prompts import PromptWriter


@pytest.fixture(scope="module")
def model(chat_model):
    return LocalChat(str(chat_model), "cpu")


@pytest.fixture(scope="module")
def prompts(data, requests):
    """Chats of very different lengths, with candidates that share brands and beginnings."""
    find = {item.item_id: item for item in data.items}.get
    writer = PromptWriter(find)
    chats = []
    for place, request in enumerate(requests[:6]):
        titles = writer.titles(data.items[7 * place : 7 * place + 4 + 5 * place])
        events = request.history.events[-3 * place - 1 :]
        chats.append((writer.choose(request, titles)(events), titles))
    return chats


def test_scores_with_the_prompt_read_once_are_those_of_full_prompts(model, prompts):
    for chat, titles in prompts:
        shared = asyncio.run(model.score(chat, titles))
        separate = asyncio.run(score_separately(model, chat, titles))
        assert shared == pytest.approx(separate, abs=1e-4)
        assert np.exp(shared).sum() == pytest.approx(1)


def test_scores_do_not_depend_on_how_options_are_listed(model, prompts):
    chat, titles = prompts[-1]
    forwards = asyncio.run(model.score(chat, titles))
    assert forwards[::-1] == pytest.approx(asyncio.run(model.score(chat, titles[::-1])), abs=1e-5)


def test_a_title_that_begins_another_is_told_apart(model, prompts):
    titles = ["Cast Iron Teapot", "Cast Iron Teapot, 1 l", "Cast"]
    scores = asyncio.run(model.score(prompts[0][0], titles))
    assert np.isfinite(scores).all() and np.exp(scores).sum() == pytest.approx(1)


def test_only_options_are_written(model, prompts):
    for chat, titles in prompts:
        assert asyncio.run(model.choose(chat, titles)) in titles
        form = ResponseFormat("ranking", {}, "", ("ranking", tuple(titles), len(titles)))
        ranking = json.loads(asyncio.run(model.write(chat, 10, form)))["ranking"]
        assert sorted(ranking) == sorted(titles)
        first = ResponseFormat("ranking", {}, "", ("ranking", tuple(titles), 2))
        assert json.loads(asyncio.run(model.write(chat, 10, first)))["ranking"] == ranking[:2]


def test_free_text_ends_in_time(model, prompts):
    before = model.usage.answer_tokens
    assert isinstance(asyncio.run(model.write(prompts[0][0], 12)), str)
    assert 0 < model.usage.answer_tokens - before <= 12


def test_lengths_are_the_models_own(model, prompts):
    chat, _ = prompts[3]
    assert asyncio.run(model.context_tokens()) == 2048
    text = model._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    whole = model._tokenizer(text, add_special_tokens=False)["input_ids"]
    assert asyncio.run(model.count_tokens(chat)) == len(whole)


def test_a_model_without_a_template_is_refused(tmp_path):
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["some words"], 300)
    make_model(tokenizer, 64, ScratchConfig(hidden_size=32, num_layers=1, num_heads=1)
    ).save_pretrained(tmp_path)  # fmt: skip
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="chat template"):
        LocalChat(str(tmp_path), "cpu")
    with pytest.raises(ConfigError, match="cannot load"):
        LocalChat(str(tmp_path / "none"), "cpu")
