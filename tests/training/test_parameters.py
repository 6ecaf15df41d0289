"""What is trained and how fast: words, new rows, adapters."""

import copy
from dataclasses import replace

import pytest
import torch

from genrec.model.item_loss import ItemLoss
from genrec.model.load import load_run
from genrec.model.loss import StreamLoss
from genrec.model.vocabulary import new_rows
from genrec.stream.templates import MARKERS
from genrec.training.config import Lora, Optimizer, TrainConfig
from genrec.training.parameters import choose_parameters, make_optimizer


@pytest.fixture
def run(chain):
    """A base that is called pretrained, so that its words are worth keeping."""
    loaded = load_run(chain.base)
    return replace(loaded, base_config=loaded.base_config.model_copy(update={"source": "other"}))


def config(trainable, **optimizer):
    settings = Optimizer(**{"learning_rate": 1e-3, **optimizer})
    return TrainConfig(
        data="d", base="b", out="o", trainable=trainable, optimizer=settings, lora=Lora(rank=2)
    )


def step(run, settings):
    """Take one step on some tokens; return the rows before and after."""
    model = choose_parameters(run, settings)
    optimizer = make_optimizer(model, run, settings)
    before = copy.deepcopy(run.model.state_dict())
    ids = torch.arange(run.model.get_input_embeddings().weight.shape[0]).unsqueeze(0)[:, :250]
    ids = torch.cat([ids, torch.tensor([new_rows(run.encoder.tokenizer, run.table)])], dim=1)
    model(input_ids=ids, labels=ids).loss.backward()
    loss_of(model, run, settings).drop_gradients()
    optimizer.step()
    return model, before, model.state_dict()


def loss_of(model, run, settings):
    rows = None if settings.trainable == "all" else new_rows(run.encoder.tokenizer, run.table)
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    return StreamLoss(model, items, {}, trained_rows=rows)


def rows_of(state):
    return next(value for name, value in state.items() if "embed_tokens" in name)


@pytest.mark.parametrize("trainable", ["new_rows", "lora_and_rows"])
def test_only_new_rows_move_and_markers_are_among_them(run, trainable):
    added = new_rows(run.encoder.tokenizer, run.table)
    assert run.encoder.tokenizer.convert_ids_to_tokens(added[: len(MARKERS)]) == list(MARKERS)
    before = rows_of(copy.deepcopy(run.model.state_dict()))
    model, _, after = step(run, config(trainable))
    moved = (rows_of(after) != before).any(dim=1)
    assert moved[added].all()
    moved[added] = False
    assert not moved.any()
    trained = {name for name, each in model.named_parameters() if each.requires_grad}
    assert any("lora" in name for name in trained) == (trainable == "lora_and_rows")
    assert all("lora" in name or "embed" in name or "lm_head" in name for name in trained)


def test_words_take_a_fraction_of_the_step_of_new_rows(run):
    """AdamW's first step is the rate, whatever the gradient; here nothing decays."""
    settings = config("all", rows_learning_rate=1e-2, weight_decay=0.5)
    _, before, after = step(run, settings)
    moved = (rows_of(after) - rows_of(before)).abs()
    added = new_rows(run.encoder.tokenizer, run.table)
    torch.testing.assert_close(moved[added].median(), torch.tensor(1e-2), rtol=0.05, atol=0)
    words = moved[: min(added)]
    words = words[words.any(dim=1)]
    torch.testing.assert_close(words.median(), torch.tensor(1e-3), rtol=0.05, atol=0)


def test_a_scratch_base_is_trained_as_one(chain):
    run = load_run(chain.base)
    optimizer = make_optimizer(choose_parameters(run, config("all")), run, config("all"))
    assert {group["lr"] for group in optimizer.param_groups} == {1e-3}
    decayed, plain = optimizer.param_groups
    assert all(each.ndim >= 2 for each in decayed["params"]) and decayed["weight_decay"] > 0
    assert all(each.ndim < 2 for each in plain["params"]) and plain["weight_decay"] == 0


def test_bfloat16_weights_are_trained_in_float32(run):
    half = replace(run, model=run.model.bfloat16())
    model = choose_parameters(half, config("all"))
    assert {each.dtype for each in model.parameters()} == {torch.float32}


def test_its_steps_are_those_of_plain_adamw(run):
    """One kernel for a whole group rounds otherwise than one weight after another, and no more."""
    model = choose_parameters(run, config("all"))
    other = copy.deepcopy(model)
    fused = make_optimizer(model, run, config("all"))
    twin = dict(zip(model.parameters(), other.parameters(), strict=True))
    groups = [{**group, "params": [twin[each] for each in group["params"]], "fused": False}
              for group in fused.param_groups]  # fmt: skip
    plain = torch.optim.AdamW(groups, foreach=False)
    assert all(group["fused"] for group in fused.param_groups)
    torch.manual_seed(0)
    for _ in range(3):
        for ours, theirs in twin.items():
            ours.grad = torch.randn_like(ours)
            theirs.grad = ours.grad.clone()
        fused.step()
        plain.step()
    for ours, theirs in twin.items():
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
