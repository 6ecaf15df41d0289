"""PrefillCache read once, whose keys and values are kept for all that may follow.

Enters: prompts and a Hugging Face causal LM. Leaves: scores of the next token, and of what follows
sibling tokens appended to the same rows. PrefillCache that begin alike may share the beginning.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from genrec.errors import DecodeError

NOT_CACHED = -1


class PrefillCache:
    """A batch of prompts, read once, to which sibling tokens are appended.

    Attributes:
        logits: Scores of the token after each prompt. Shape: (B, 1, V).
        lengths: Tokens of each prompt. Shape: (B,).
        mask: Which columns of the cache hold a prompt's tokens. Shape: (B, T), bool.
        num_cached: Columns of the cache, the same for all rows.
    """

    def __init__(self, model: nn.Module, cache: DynamicCache, mask: Tensor, logits: Tensor) -> None:
        self.model, self.cache, self.mask, self.logits = model, cache, mask, logits
        self.lengths = mask.sum(dim=1)
        self.num_cached = mask.shape[1]

    @classmethod
    def read(
        cls, model: nn.Module, input_ids: Tensor, attention_mask: Tensor, num_levels: int
    ) -> PrefillCache:
        """Run prompts through the model.

        Args:
            model: Causal LM in evaluation mode.
            input_ids: Padded on either side. Shape: (B, T).
            attention_mask: 1 at tokens, 0 at padding; each row holds a token. Shape: (B, T).
            num_levels: Most tokens of a path.

        Raises:
            DecodeError: The model cannot decode a tree of siblings.
        """
        input_ids, mask = _pad_left(input_ids, attention_mask)
        return cls._run(model, DynamicCache(), input_ids, mask, num_levels)

    def fork(
        self, shared: Tensor, input_ids: Tensor, attention_mask: Tensor, num_levels: int
    ) -> PrefillCache:
        """Read prompts that begin as this one, a single row, does; the beginning is not run again.

        Args:
            shared: First tokens that each takes from here, at least one. Shape: (B,).
            input_ids: The rest of each, at least one token, padded on the left. Shape: (B, S).
            attention_mask: Of the rest. Shape: (B, S).
            num_levels: Most tokens of a path.
        """
        width = int(shared.max())
        cache = DynamicCache()
        for layer, (keys, values, *_) in enumerate(self.cache):
            begun = (part[:, :, :width].expand(len(shared), -1, -1, -1) for part in (keys, values))
            cache.update(*begun, layer)
        taken = torch.arange(width, device=shared.device) < shared.unsqueeze(1)
        mask = torch.cat([taken, attention_mask.bool()], dim=1)
        return self._run(self.model, cache, input_ids, mask, num_levels)

    @classmethod
    def _run(
        cls, model: nn.Module, cache: DynamicCache, input_ids: Tensor, mask: Tensor, num_levels: int
    ) -> PrefillCache:
        check_model(model, mask.shape[1] + num_levels)
        logits = model(
            input_ids=input_ids,
            attention_mask=mask.long(),
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0)[:, -input_ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return cls(model, cache, mask, logits)

    def append(self, tokens: Tensor, depths: Tensor, ancestors: Tensor) -> Tensor:
        """Append sibling tokens to every row and return the scores of what follows each.

        Args:
            tokens: Shape: (B, Q).
            depths: Tokens of the path before each. Shape: (B, Q).
            ancestors: Cache columns of each token's ancestors and its own; -1 stands for none.
                Shape: (B, Q, D).

        Returns:
            Logits. Shape: (B, Q, V).
        """
        num_rows, num_new = tokens.shape
        total = self.num_cached + num_new
        # The last column takes what stands for none and is cut off.
        visible = torch.zeros(num_rows, num_new, total + 1, dtype=torch.bool, device=tokens.device)
        visible[..., : self.mask.shape[1]] = self.mask.unsqueeze(1)
        visible.scatter_(2, torch.where(ancestors < 0, total, ancestors), True)
        self.num_cached = total
        logits: Tensor = self.model(
            input_ids=tokens,
            attention_mask=visible[..., :total].unsqueeze(1),
            position_ids=self.lengths.unsqueeze(1) + depths,
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        return logits

    def truncate(self) -> None:
        """Drop the sibling tokens; the prompts stay read."""
        siblings = self.num_cached - self.mask.shape[1]
        if siblings:
            self.cache.crop(-siblings)
        self.num_cached -= siblings


def _pad_left(input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the padding of every row to its front and drop columns that hold nothing else."""
    mask = attention_mask.bool()
    if not mask.any(dim=1).all():
        raise ValueError("every row needs at least one token")
    width = int(mask.sum(dim=1).max())
    order = mask.int().sort(dim=1, stable=True).indices[:, -width:]
    return input_ids.gather(1, order), mask.gather(1, order)


def check_model(model: nn.Module, num_tokens: int) -> None:
    """Refuse models in which siblings would not see what their own sequence would.

    Raises:
        DecodeError: Naming what stands in the way.
    """
    config: Any = model.config
    config = config.get_text_config()
    if model.training:
        raise DecodeError("the model is in training mode and would drop units; call model.eval()")
    if config._attn_implementation != "sdpa":
        raise DecodeError(
            f"attention '{config._attn_implementation}' takes no tree mask; load the model with "
            "attn_implementation='sdpa'"
        )
    kinds = set(getattr(config, "layer_types", None) or ())
    if strange := kinds - {"full_attention", "sliding_attention"}:
        raise DecodeError(f"layers of kind {sorted(strange)} cannot hold sibling tokens")
    window = getattr(config, "sliding_window", None)
    if window is not None and kinds != {"full_attention"} and num_tokens > window:
        raise DecodeError(
            f"prompt and path take {num_tokens} tokens, the model's window is {window}; "
            "shorten the prompt"
        )
