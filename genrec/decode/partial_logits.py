"""Logits of a few tokens instead of those of the whole vocabulary.

Enters: a Hugging Face causal LM, tokens. Must not know what the tokens stand for.

A pretrained vocabulary has 50,000 to 150,000 tokens, of which a step of a search can use some
hundred. Scores of the others would cost as much as several layers, and more memory than anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn import functional as F


@contextmanager
def logits_of(model: Any, tokens: Tensor) -> Iterator[None]:
    """Let a model multiply with the rows of some tokens only, in one thread at a time.

    Its logits have the shape (..., N) meanwhile, in the order of the tokens. It is asked by its own
    ``forward``, so whatever wraps it (an adapter, shards of its weights) and whatever it does with
    its logits (such as capping them) stays as it is.

    Args:
        model: Causal LM, wrapped or not, with ``get_output_embeddings``.
        tokens: Tokens that it knows. Shape: (N,).
    """
    head: Any = model.get_output_embeddings()

    def forward(hidden: Tensor) -> Tensor:
        bias = None if head.bias is None else head.bias[tokens]
        return F.linear(hidden, head.weight[tokens], bias)

    # Hooks of others put their ``forward`` into the instance too.
    before = vars(head).get("forward")
    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before
