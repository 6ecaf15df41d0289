"""What a model is told of people whose description is all that is known."""

from dataclasses import replace

import pytest

from genrec.schema import Event, History
from genrec.training.samples import MOMENTS, newcomer_samples


@pytest.fixture(scope="module")
def encoder(shop):
    return replace(shop._run.encoder, reads_about=True)


def test_a_few_events_of_each_described_user_are_told_alone(encoder):
    events = tuple(Event("u", f"i{n}", 100 * n, review="fine") for n in range(9))
    described = History("u", events, about="pots and pans")
    samples = list(newcomer_samples([described, History("v", events)], encoder, seed=0))
    assert len(samples) == MOMENTS
    for sample in samples:
        text = encoder.tokenizer.decode(sample.input_ids)
        assert text.startswith('<|user|> "pots and pans"\nstart') and text.count("<|item|>") == 1
    again = list(newcomer_samples([described], encoder, seed=0))
    assert [one.input_ids for one in again] == [one.input_ids for one in samples]


def test_nobody_described_nobody_told(encoder):
    assert not list(newcomer_samples([History("v", (Event("v", "i1", 1),))], encoder, 0))
