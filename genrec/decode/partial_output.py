"""A causal LM that scores a few tokens of its vocabulary instead of all.

Enters: a Hugging Face causal LM, tokens. Leaves: a model whose logits are those of the tokens.

A pretrained vocabulary has 50,000 to 150,000 tokens, of which a step of a search can use some
hundred. Scores of the others would cost as much as several layers, and more memory than anything.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from torch import Tensor, nn


def score_only(model: nn.Module, tokens: Tensor) -> Any:
    """Return a model that shares everything with another but the rows of its output layer.

    What the model does with its logits, such as capping them, it does with those that are left. An
    adapter is in the layers that both share: whoever switches it switches it for both.

    Args:
        model: Causal LM, PEFT-wrapped or not; stays as it is.
        tokens: To score. Shape: (N,).

    Returns:
        A model whose logits have the shape (..., N), in the order of ``tokens``.

    Raises:
        ValueError: The model does not know a token.
    """
    whole: Any = model
    if hasattr(whole, "get_base_model"):
        whole = whole.get_base_model()
    head: nn.Linear = whole.get_output_embeddings()
    known = len(head.weight)
    if len(tokens) and int(tokens.max()) >= known:
        raise ValueError(
            f"scores of token {int(tokens.max())} are asked for, the model knows {known}; the "
            "tokens are of another vocabulary"
        )
    part = nn.Linear(head.in_features, len(tokens), bias=head.bias is not None, device="meta")
    part.weight = nn.Parameter(head.weight[tokens], requires_grad=False)
    if head.bias is not None:
        part.bias = nn.Parameter(head.bias[tokens], requires_grad=False)
    partial = copy(whole)
    partial._modules = dict(whole._modules)
    partial.set_output_embeddings(part)
    return partial
