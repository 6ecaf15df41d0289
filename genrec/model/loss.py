"""The all-event loss: every target token of a packed row, in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from genrec.model.item_loss import ItemLoss
from genrec.model.lora_layers import without_adapter
from genrec.model.packed_attention import PACKED, can_pack, is_packed, read_packed
from genrec.model.rows import embeddings
from genrec.model.sharding import align_rows

LOGITS_AT_ONCE = 1 << 24
"""Logits over the whole vocabulary that are held at once, 64 MB: of 340 targets in 50,000 words."""


class Target(IntEnum):
    """What a token is to the loss."""

    NONE = 0
    ITEM = 1
    """A code of an event's item."""
    REVIEW = 2
    """What the user said after the item: rating and review."""
    TITLE = 3
    """A title given its ID, or an ID given its title."""
    INTERESTS = 4
    """A summary of interests."""
    WORDS = 5
    """The words that stand behind an item's ID in a history."""


class StreamLoss(nn.Module):
    """A causal LM and its loss in one module, so that any wrapper (DDP, FSDP2) holds both.

    Logits are computed at target positions only: with a large vocabulary they, not the layers,
    would fill the memory.
    """

    def __init__(
        self,
        model: Any,
        items: ItemLoss,
        weights: Mapping[Target, float],
        embedding_dropout: float = 0.0,
        packed_attention: bool = False,
        trained_rows: Sequence[int] | None = None,
    ) -> None:
        """Take a model and what its targets weigh.

        Args:
            model: Causal LM, PEFT-wrapped or not.
            items: Loss of items.
            weights: Of each kind of target; 0 for those that are left out.
            embedding_dropout: On the inputs.
            packed_attention: Train with ``genrec.model.packed_attention``, where the model's layers
                allow it; in evaluation mode the attention is the model's own.
            trained_rows: Tokens whose embeddings are trained; None: all.
        """
        super().__init__()
        own = model.config._attn_implementation
        packs = packed_attention and can_pack(model)
        self._attention = {True: PACKED if packs else own, False: own}
        """By whether the module is in training mode."""
        self.model = model
        self.items = items
        self.dropout = nn.Dropout(embedding_dropout)
        self.weights: Tensor
        self.register_buffer("weights", torch.zeros(len(Target)), persistent=False)
        for target, weight in weights.items():
            self.weights[target] = weight
        # Not a hook of each weight: FSDP2 puts other weights in their place and calls no hook.
        self.trained_rows: Tensor | None
        self.register_buffer("trained_rows", None, persistent=False)
        if trained_rows is not None:
            self.trained_rows = torch.zeros(len(embeddings(model)[0]), 1)
            self.trained_rows[list(trained_rows)] = 1

    def drop_gradients(self) -> None:
        """Drop the gradients of rows that are not trained; before gradients are clipped."""
        for weight in embeddings(self.model):
            if self.trained_rows is not None and weight.grad is not None:
                weight.grad.mul_(align_rows(self.trained_rows, weight.grad))

    def train(self, mode: bool = True) -> StreamLoss:
        """See ``nn.Module``; the attention follows."""
        without_adapter(self.model).set_attn_implementation(self._attention[mode])
        return super().train(mode)

    @property
    def config(self) -> Any:
        """Of the model, so that a decoder can take this module in its place."""
        return self.model.config

    def get_input_embeddings(self) -> Any:
        """So that Accelerate shards matrices that are tied as one."""
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """See ``config``."""
        return self.model.get_output_embeddings()

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, targets: Tensor | None = None, **inputs: Any
    ) -> Any:
        """Return the summed loss and its weight, or, without targets, the model's own output.

        Args:
            input_ids: Packed rows. Shape: (B, T).
            position_ids: Positions, restarting at 0 with each sample. Shape: (B, T).
            targets: ``Target`` of each token. Shape: (B, T).
            inputs: Passed to the model when there are no targets (decoding).

        Returns:
            Weighted sum of the token losses in nats, and the sum of their weights; both scalars.
        """
        if targets is None:
            # Layers compiled for training would be compiled again for every shape of a search.
            with torch.compiler.set_stance("force_eager"):
                return self.model(input_ids=input_ids, position_ids=position_ids, **inputs)
        causal_lm = without_adapter(self.model)
        embedded = self.dropout(causal_lm.get_input_embeddings()(input_ids))
        if is_packed(causal_lm):
            hidden = read_packed(causal_lm.model, embedded, position_ids)
        else:
            hidden = causal_lm.model(
                inputs_embeds=embedded, position_ids=position_ids, use_cache=False
            ).last_hidden_state
        # A token is predicted at the position before it; position 0 of a sample is never a target.
        kinds = targets[:, 1:]
        weighed = self.weights[kinds]
        item_weight = self.weights[Target.ITEM]
        output = causal_lm.get_output_embeddings()
        is_item = (targets == Target.ITEM) & (item_weight > 0)
        items = self.items(hidden, input_ids, is_item, output)
        places = (weighed > 0) & (kinds != Target.ITEM)
        at_once = max(1, LOGITS_AT_ONCE // self.config.get_text_config().vocab_size)
        losses = text_losses(
            output, hidden[:, :-1][places], input_ids[:, 1:][places], at_once=at_once
        )
        return items * item_weight + (losses * weighed[places]).sum(), weighed.sum()


def text_losses(output: nn.Module, hidden: Tensor, tokens: Tensor, at_once: int) -> Tensor:
    """Return the loss of each token among the whole vocabulary, in nats.

    Of many, each part's logits are computed again for its gradient, rather than kept.

    Args:
        output: From hidden states to logits; called as it is, whatever wraps it.
        hidden: States that predict. Shape: (N, D).
        tokens: What follows. Shape: (N,).
        at_once: Size of a part.

    Returns:
        Shape: (N,).
    """

    def of_part(states: Tensor, followers: Tensor) -> Tensor:
        return F.cross_entropy(output(states).float(), followers, reduction="none")

    if len(tokens) <= at_once:
        return of_part(hidden, tokens)
    parts = zip(hidden.split(at_once), tokens.split(at_once), strict=True)
    return torch.cat([checkpoint(of_part, *part, use_reentrant=False) for part in parts])
