"""Logits of some tokens are those that the whole model gives them."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Gemma2Config, Gemma2ForCausalLM

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.tree import PrefillCache, logits_of
from genrec.decode.trie import Trie

TOKENS = torch.tensor([40, 3, 17])
INPUT = torch.tensor([[5, 9, 2, 30], [11, 4, 4, 40]])


def with_bias(build):
    model = build("llama")
    model.lm_head.bias = torch.nn.Parameter(torch.randn(model.vocab_size))
    return model


def with_capped_logits(build):
    size = {
        name: value
        for name, value in build("qwen3").config.to_dict().items()
        if name.endswith(("_size", "_heads", "_layers")) or name == "head_dim"
    }
    return Gemma2ForCausalLM(Gemma2Config(**size, final_logit_softcapping=0.5)).eval()


def with_adapter(build):
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    config.init_lora_weights = False
    return get_peft_model(build("qwen3"), config).eval()


@pytest.mark.parametrize("make", [with_bias, with_capped_logits, with_adapter])
def test_scores_are_those_of_the_whole_model(make, build):
    torch.manual_seed(1)
    model = make(build)
    with torch.inference_mode():
        with logits_of(model, TOKENS):
            found = model(input_ids=INPUT).logits
        whole = model(input_ids=INPUT).logits
    assert whole.shape[-1] == model.config.vocab_size
    torch.testing.assert_close(found, whole[..., TOKENS], atol=1e-5, rtol=0)


def test_the_whole_vocabulary_comes_back_whatever_happens(build):
    model = build("qwen3")
    with pytest.raises(RuntimeError), logits_of(model, TOKENS):
        raise RuntimeError
    assert model(input_ids=INPUT).logits.shape[-1] == model.config.vocab_size


def test_a_search_multiplies_with_the_tokens_of_its_trie_alone(qwen3):
    trie = DeviceTrie.from_trie(Trie.build([[3, 40], [3, 41], [17, 40]]))
    read = PrefillCache(qwen3, INPUT, torch.ones_like(INPUT), trie)
    assert trie.vocabulary.tolist() == [3, 17, 40, 41]
    torch.testing.assert_close(read.logits, qwen3(INPUT).logits[:, -1:, [3, 17, 40, 41]])
