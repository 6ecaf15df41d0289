"""Real reviews are in the prompts, in training and when serving, and they move the answer."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.model.load import load_run
from genrec.schema import History, Request
from genrec.training.samples import stream_samples
from tests.conftest import Chain, genrec, succeed, train


@pytest.fixture(scope="module")
def gift_cards(shared_data, tmp_path_factory):
    paths = Chain(tmp_path_factory.mktemp("gift_cards"))
    source = shared_data / "amazon18_gift_cards"
    events, items = source / "events.csv.gz", source / "items.jsonl.gz"
    succeed(genrec("prepare", "--events", events, "--items", items, "--out", paths.data))
    succeed(genrec("index", "--data", paths.data, "--out", paths.index))
    succeed(
        genrec(
            *("base", "--data", paths.data, "--index", paths.index, "--out", paths.base),
            *("--set", "scratch.hidden_size=64", "--set", "scratch.num_layers=2"),
        )
    )
    settings = ["epochs=2", "validation.users=0", "trackers=[]", "rows_per_step=4"]
    parents = [f"data={paths.data}", f"base={paths.base}", f"out={paths.pretrain}"]
    succeed(train("pretrain", *parents, *settings))
    return paths


def test_changing_one_review_moves_the_next_item(gift_cards):
    run = load_run(gift_cards.pretrain)
    data = Dataset.load(gift_cards.data)
    history = next(
        history
        for history in data.histories("valid")
        if len(history.events) >= 3 and history.events[-1].review
    )
    last = history.events[-1]
    changed = replace(last, title="Terrible", review="the code never worked, no refund, avoid")
    other = History(history.user_id, (*history.events[:-1], changed))
    prompts = run.encoder.prompts([Request(history), Request(other)])
    read = [run.encoder.tokenizer.decode(prompt) for prompt in prompts]
    assert last.review.split()[0] in read[0]
    assert "never worked" in read[1]
    before, after = np.exp(TorchEngine(run).code_log_probs(prompts))
    assert np.abs(before - after).sum() > 1e-3


def test_training_reads_the_reviews(gift_cards):
    run = load_run(gift_cards.base)
    history = next(
        history
        for history in Dataset.load(gift_cards.data).histories("train")
        if history.events[0].review and history.events[0].review.isascii()
    )
    text = run.encoder.tokenizer.decode(next(stream_samples([history], run.encoder)).input_ids)
    assert history.events[0].review[:20].strip() in text
