"""The all-event loss is the prompt-per-prefix loss, for the price of one sequence."""

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.model.item_loss import ItemLoss
from genrec.model.load import load_run
from genrec.model.loss import StreamLoss, Target, text_losses
from genrec.schema import History, Request
from genrec.training.packing import collate
from genrec.training.samples import stream_samples


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


def loss_module(run, weights):
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    return StreamLoss(run.model, items, weights).eval()


def sibling_losses(run, input_ids):
    """Code by code, from the model's own logits and a dict of siblings."""
    siblings = {}
    for path in run.vocabulary.paths(run.table.codes).tolist():
        for level, token in enumerate(path):
            siblings.setdefault(tuple(path[:level]), set()).add(token)
    with torch.no_grad():
        logits = run.model(input_ids=torch.tensor([input_ids])).logits[0]
    losses = {}
    for place, token in enumerate(input_ids):
        if token == run.encoder.opening:
            path = input_ids[place + 1 : place + 1 + run.table.num_levels]
            loss = 0.0
            for level, code in enumerate(path):
                among = sorted(siblings[tuple(path[:level])])
                loss -= logits[place + level][among].log_softmax(-1)[among.index(code)].item()
            losses[place] = loss
    return losses


def test_all_event_loss_equals_one_prompt_per_prefix(run, histories):
    module = loss_module(run, {Target.ITEM: 1.0})
    for history in histories:
        together = 0.0
        for sample in stream_samples([history], run.encoder):
            batch = collate([[as_arrays(sample)]], len(sample.input_ids), 0)
            with torch.no_grad():
                loss, _ = module(**{name: torch.from_numpy(part) for name, part in batch.items()})
            together += float(loss)
        apart = 0.0
        for place, event in enumerate(history.events):
            before = History(history.user_id, history.events[:place])
            request = Request(before, event.timestamp, event.event_type)
            prompt = run.encoder.prompts([request])[0]
            codes = run.table.codes_of(event.item_id)
            item = [int(run.vocabulary.token_ids[level, code]) for level, code in enumerate(codes)]
            apart += sibling_losses(run, prompt + item)[len(prompt) - 1]
        assert together == pytest.approx(apart, rel=1e-5, abs=1e-3)


def test_some_history_outgrows_the_context(run, histories):
    assert len(list(stream_samples(histories[:1], run.encoder))) > 1


def test_packed_samples_do_not_see_each_other(run, histories):
    samples = [as_arrays(sample) for sample in stream_samples(histories, run.encoder)]
    module = loss_module(run, {Target.ITEM: 1.0})

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
    _, items = loss_module(run, {Target.ITEM: 1.0})(**batch)
    _, both = loss_module(run, {Target.ITEM: 1.0, Target.REVIEW: 0.5})(**batch)
    assert float(items) == int((sample[1] == Target.ITEM).sum())
    assert float(both) == float(items) + 0.5 * int((sample[1] == Target.REVIEW).sum())


def test_rows_without_targets_have_a_loss_of_nothing(run):
    batch = collate([[]], 8, run.encoder.tokenizer.pad_token_id)
    batch = {name: torch.from_numpy(array) for name, array in batch.items()}
    loss, weight = loss_module(run, {Target.ITEM: 1.0})(**batch)
    assert loss.item() == weight.item() == 0
    loss.backward()


def test_losses_of_many_words_are_those_of_all_at_once():
    torch.manual_seed(0)
    output = torch.nn.Linear(8, 40)
    tokens = torch.randint(0, 40, (19,))
    hidden = torch.randn(len(tokens), 8, requires_grad=True)
    weights = torch.rand(len(tokens))
    whole = torch.nn.functional.cross_entropy(output(hidden), tokens, reduction="none")
    parts = text_losses(output, hidden, tokens, at_once=8)
    torch.testing.assert_close(parts, whole)
    wanted = [hidden, *output.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((parts * weights).sum(), wanted),
        torch.autograd.grad((whole * weights).sum(), wanted),
    )
