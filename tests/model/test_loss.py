"""The all-event loss is the prompt-per-prefix loss, for the price of one sequence."""

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.model.load import load_run
from genrec.model.loss import StreamLoss
from genrec.schema import History, Request
from genrec.stream.packing import collate
from genrec.stream.samples import Target, stream_samples


@pytest.fixture(scope="module")
def run(chain):
    return load_run(chain.pretrain)


@pytest.fixture(scope="module")
def histories(chain):
    """The longest histories, so that some outgrow the context."""
    found = sorted(Dataset.load(chain.data).histories("train"), key=lambda h: -len(h.events))
    return found[:4]


def as_arrays(sample):
    return np.array(sample.input_ids), np.array(sample.targets)


def token_losses(run, input_ids, position_ids):
    with torch.no_grad():
        logits = run.model(input_ids=input_ids, position_ids=position_ids).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), input_ids[:, 1:].flatten(), reduction="none"
    )
    return losses.view(len(input_ids), -1)


def test_all_event_loss_equals_one_prompt_per_prefix(run, histories):
    num_levels = run.table.num_levels
    for history in histories:
        together = []
        for sample in stream_samples([history], run.encoder):
            ids = torch.tensor([sample.input_ids])
            losses = token_losses(run, ids, torch.arange(ids.shape[1])[None])[0]
            kept = torch.tensor(sample.targets[1:]) == Target.ITEM
            together += losses[kept].view(-1, num_levels).sum(1).tolist()
        apart = []
        for place, event in enumerate(history.events):
            before = History(history.user_id, history.events[:place])
            request = Request(before, event.timestamp, event.event_type)
            prompt = run.encoder.prompts([request])[0]
            codes = run.table.codes_of(event.item_id)
            item = [int(run.vocabulary.token_ids[level, code]) for level, code in enumerate(codes)]
            ids = torch.tensor([prompt + item])
            losses = token_losses(run, ids, torch.arange(ids.shape[1])[None])[0]
            apart.append(float(losses[-num_levels:].sum()))
        assert together == pytest.approx(apart, abs=1e-4)


def test_some_history_outgrows_the_context(run, histories):
    assert len(list(stream_samples(histories[:1], run.encoder))) > 1


def test_packed_samples_do_not_see_each_other(run, histories):
    samples = [as_arrays(sample) for sample in stream_samples(histories, run.encoder)]
    module = StreamLoss(run.model, {Target.ITEM: 1.0}).eval()

    def loss(rows, row_tokens):
        batch = collate(rows, row_tokens, run.encoder.tokenizer.pad_token_id)
        with torch.no_grad():
            return module(**{name: torch.from_numpy(array) for name, array in batch.items()})

    longest = max(len(tokens) for tokens, _ in samples)
    total = sum(len(tokens) for tokens, _ in samples)
    packed, packed_weight = loss([samples], total)
    single, single_weight = loss([[sample] for sample in samples], longest)
    assert float(packed) == pytest.approx(float(single), rel=1e-5)
    assert float(packed_weight) == float(single_weight)


def test_weights_choose_what_is_trained(run, histories):
    sample = as_arrays(next(stream_samples(histories, run.encoder)))
    batch = collate([[sample]], len(sample[0]), 0)
    batch = {name: torch.from_numpy(array) for name, array in batch.items()}
    _, items = StreamLoss(run.model, {Target.ITEM: 1.0})(**batch)
    _, both = StreamLoss(run.model, {Target.ITEM: 1.0, Target.REVIEW: 0.5})(**batch)
    assert float(items) == int((sample[1] == Target.ITEM).sum())
    assert float(both) == float(items) + 0.5 * int((sample[1] == Target.REVIEW).sum())


def test_rows_without_targets_have_a_loss_of_nothing(run):
    batch = collate([[]], 8, run.encoder.tokenizer.pad_token_id)
    batch = {name: torch.from_numpy(array) for name, array in batch.items()}
    loss, weight = StreamLoss(run.model, {Target.ITEM: 1.0})(**batch)
    assert loss.item() == weight.item() == 0
    loss.backward()
