"""Packed attention is the masked one: same loss, same gradients, and nobody sees anybody else."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.tree import PrefillCache
from genrec.decode.trie import Trie
from genrec.model.item_loss import ItemLoss
from genrec.model.lora_layers import add_adapter
from genrec.model.loss import StreamLoss, Target
from genrec.model.packed_attention import can_pack, packed_attention, packing_pays
from genrec.model.vocabulary import SidVocabulary
from genrec.training.packing import collate, pack

OPENING, FIRST_CODE, CODEBOOK_SIZE, ROW_TOKENS = 9, 40, 8, 48
SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
VOCABULARY = SidVocabulary(np.arange(24).reshape(3, CODEBOOK_SIZE) + FIRST_CODE)
CODES = np.array([[a, b, c] for a in range(4) for b in range(3) for c in range(2)])


def sample(rng):
    tokens, kinds = [2], [Target.NONE]
    for _ in range(int(rng.integers(1, 5))):
        path = VOCABULARY.paths(CODES)[rng.integers(len(CODES))].tolist()
        review = rng.integers(10, FIRST_CODE, int(rng.integers(0, 4))).tolist()
        tokens += [OPENING, *path, *review]
        kinds += [Target.NONE, *[Target.ITEM] * 3, *[Target.REVIEW] * len(review)]
    return np.array(tokens), np.array(kinds)


def make_batch(seed):
    """Return rows of several samples each, and one that is mostly padding."""
    rng = np.random.default_rng(seed)
    samples = [sample(rng) for _ in range(14)]
    rows = pack([len(tokens) for tokens, _ in samples], ROW_TOKENS, seed=0)[:3]
    laid = [[samples[number] for number in row] for row in rows]
    arrays = collate([*laid, laid[0][:1]], ROW_TOKENS, 0)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def batch():
    return make_batch(seed=0)


def model_of(kind, adapted=False):
    torch.manual_seed(0)
    config, causal_lm = {
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
    }[kind]
    model = causal_lm(config(**SIZES, tie_word_embeddings=kind == "qwen3"))
    return add_adapter(model, rank=4, alpha=8, dropout=0.0) if adapted else model


def loss_of(model, packed):
    items = ItemLoss(VOCABULARY, CODES, OPENING)
    weights = {Target.ITEM: 1.0, Target.REVIEW: 0.3}
    return StreamLoss(model, items, weights, packed_attention=packed).train()


def run(module, batch, checkpointing=False):
    """Return the mean loss, and the gradients by name."""
    if checkpointing:
        module.model.gradient_checkpointing_enable({"use_reentrant": False})
    loss, weight = module(**batch)
    (loss / weight).backward()
    grads = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    return (loss / weight).item(), grads


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("kind", "adapted"), [("qwen3", False), ("qwen3", True), ("llama", False)])
def test_loss_and_gradients_are_those_of_the_mask(batch, kind, adapted, checkpointing):
    wanted, wanted_grads = run(loss_of(model_of(kind, adapted), packed=False), batch)
    module = loss_of(model_of(kind, adapted), packed=True)
    found, grads = run(module, batch, checkpointing)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert grads.keys() == wanted_grads.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(grad, wanted_grads[name], atol=1e-5, rtol=0)


def test_a_changed_sample_changes_no_other_ones_loss(batch):
    module = loss_of(model_of("qwen3"), packed=True)

    def losses_of_rows(input_ids):
        rows = [
            module(input_ids[[row]], batch["position_ids"][[row]], batch["targets"][[row]])[0]
            for row in range(len(input_ids))
        ]
        return torch.stack(rows)

    starts = (batch["position_ids"][0] == 0).nonzero()[:, 0]
    changed = batch["input_ids"].clone()
    # Whatever stands before the last sample of a row, and no target of which is counted.
    quiet = batch["targets"].clone()
    quiet[0, : starts[-1]] = Target.NONE
    changed[0, : starts[-1]] = 7
    batch = {**batch, "targets": quiet}
    with torch.no_grad():
        assert torch.equal(losses_of_rows(batch["input_ids"]), losses_of_rows(changed))


def test_the_attention_goes_back_for_evaluation(batch):
    """A search needs its tree mask, a look at the loss the same numbers."""
    module = loss_of(model_of("qwen3"), packed=True)
    trained, _ = module(**batch)
    module.eval()
    looked, _ = module(**batch)
    assert looked.item() == pytest.approx(trained.item(), rel=1e-6)
    prompt = torch.tensor([[2, OPENING]])
    trie = DeviceTrie.from_trie(Trie.build(VOCABULARY.paths(CODES)))
    PrefillCache(module, prompt, torch.ones_like(prompt), trie)
    assert module.train().model.config._attn_implementation == "packed"


def test_layers_with_a_window_keep_their_mask(batch):
    config = Qwen3Config(**SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=1)
    model = Qwen3ForCausalLM(config)
    assert not can_pack(model) and can_pack(model_of("llama"))
    assert loss_of(model, packed=True).model.config._attn_implementation == "sdpa"


def test_what_it_cannot_do_is_refused():
    part = torch.ones(1, 2, 4, 8)
    borders = torch.tensor([0, 4], dtype=torch.int32)
    for wrong in ({}, {"cu_seq_lens_q": borders, "dropout": 0.1}):
        with pytest.raises(ValueError, match="borders of samples"):
            packed_attention(torch.nn.Identity(), part, part, part, None, **wrong)


@pytest.mark.parametrize(
    ("device", "half", "hidden_size", "pays"),
    [("cuda", True, 32, True), ("cuda", False, 1024, False), ("cpu", False, 32, True),
     ("cpu", True, 32, False), ("cpu", True, 576, True)],
)  # fmt: skip
def test_where_borders_are_faster_than_a_mask(device, half, hidden_size, pays):
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SIZES | {"hidden_size": hidden_size}))
    assert packing_pays(model, device, half) == pays
