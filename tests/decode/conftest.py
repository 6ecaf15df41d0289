"""Tiny models with decided opinions, and oracles that share no code with the decoder."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 48
SIZE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,  # as usual it would be 0.02, and every token about as likely
}


def build_model(family, dtype=torch.float32):
    torch.manual_seed(0)
    if family == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**SIZE))
    else:
        model = LlamaForCausalLM(LlamaConfig(**SIZE))
    return model.eval().to(dtype)


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Keep the matrices of tiny models on one core: sharing them out costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def qwen3():
    return build_model("qwen3")


@pytest.fixture(scope="session", params=["qwen3", "llama"])
def model(request):
    return build_model(request.param)


@pytest.fixture(scope="session")
def build():
    return build_model


def ragged_prompts(seed, num_rows, longest=9, side="left"):
    """Random prompts of different lengths, padded with a token that also occurs in prompts."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (num_rows, 1), generator=generator)
    lengths[0] = longest
    columns = torch.arange(longest)
    inside = columns >= longest - lengths if side == "left" else columns < lengths
    tokens = torch.randint(0, VOCABULARY, (int(lengths.sum()),), generator=generator)
    input_ids = torch.full((num_rows, longest), 7)
    input_ids[inside] = tokens
    return input_ids, inside.long()


@pytest.fixture(scope="session")
def prompts():
    return ragged_prompts


def score_by_hand(model, prompt, paths, allowed, seen_in_training=None):
    """Score leaves one by one with whole sequences and a dict of prefixes.

    Args:
        model: Causal LM.
        prompt: Token IDs.
        paths: Tuples of token IDs.
        allowed: Leaves that may be produced.
        seen_in_training: Leaves that training has seen; None: all.

    Returns:
        {leaf: score}
    """
    children = {}
    for leaf in allowed:
        for level, token in enumerate(paths[leaf]):
            children.setdefault(paths[leaf][:level], set()).add(token)
    met = range(len(paths)) if seen_in_training is None else seen_in_training
    known = {paths[leaf][: level + 1] for leaf in met for level in range(len(paths[leaf]))}
    scores = {}
    for leaf in allowed:
        path = paths[leaf]
        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *path[:-1]]])).logits[0].float()
        scores[leaf] = 0.0
        for level, token in enumerate(path):
            siblings = children[path[:level]]
            among = sorted(child for child in siblings if (*path[:level], child) in known)
            if token in among:
                logprobs = logits[len(prompt) - 1 + level][among].log_softmax(-1)
                share = len(among) / len(siblings)
                scores[leaf] += logprobs[among.index(token)].item() + math.log(share)
            else:
                scores[leaf] -= math.log(len(siblings))
    return scores


@pytest.fixture(scope="session")
def oracle():
    return score_by_hand
