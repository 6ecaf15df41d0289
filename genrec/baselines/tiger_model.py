"""TIGER's model: a small T5 that reads semantic IDs and writes one, under the trie.

Enters: rows of items as tokens, a trie, filters. Leaves: per row the best leaves and their scores.
Must not know users, events or how it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache, T5Config, T5ForConditionalGeneration

from genrec.baselines.tiger_config import TigerConfig
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.policy import Policy
from genrec.decode.search import Beams, Step, beam_search, run_search

PAD, END, FIRST_CODE = 0, 1, 2
"""Token IDs. As in T5, writing starts after padding and what is read ends with an end."""

_BEAMS_AT_ONCE = 512
"""Beams that run through the decoder at a time: their copies of the keys are what fills memory."""


def code_tokens(codes: np.ndarray, codebook_size: int) -> np.ndarray:
    """Return the tokens of semantic IDs: every level has tokens of its own.

    Args:
        codes: Shape: (N, L).
        codebook_size: K.

    Returns:
        Shape: (N, L), int64.

    Examples:
        >>> code_tokens(np.array([[0, 1, 0], [3, 3, 3]]), 4).tolist()
        [[2, 7, 10], [5, 9, 13]]
    """
    levels = np.arange(codes.shape[1])
    return FIRST_CODE + levels * codebook_size + codes.astype(np.int64)


def build_model(config: TigerConfig, vocabulary_size: int) -> T5ForConditionalGeneration:
    """Return a T5 with random weights; draw from a seeded generator beforehand."""
    sizes: dict[str, Any] = {
        "d_model": config.width,
        "d_kv": config.head_width,
        "d_ff": config.inner_width,
        "num_layers": config.num_layers,
        "num_decoder_layers": config.num_layers,
        "num_heads": config.num_heads,
    }
    tokens: dict[str, Any] = {
        "vocab_size": vocabulary_size,
        "pad_token_id": PAD,
        "eos_token_id": END,
        "decoder_start_token_id": PAD,
    }
    return T5ForConditionalGeneration(T5Config(**sizes, **tokens, dropout_rate=config.dropout))


def lay_out(histories: Sequence[np.ndarray], paths: np.ndarray) -> tuple[Tensor, Tensor]:
    """Write histories as tokens, padded on the right.

    Args:
        histories: Rows of ``paths``, oldest first; may be empty.
        paths: Tokens of every item. Shape: (N, L).

    Returns:
        ``input_ids`` and ``attention_mask``, on the CPU. Shape of each: (B, T), int64.
    """
    num_levels = paths.shape[1]
    lengths = np.array([len(history) * num_levels for history in histories])
    input_ids = np.full((len(histories), int(lengths.max()) + 1), PAD)
    for row, history, length in zip(input_ids, histories, lengths, strict=True):
        row[:length] = paths[history].ravel()
        row[length] = END
    mask = np.arange(input_ids.shape[1]) <= lengths[:, None]
    return torch.from_numpy(input_ids), torch.from_numpy(mask.astype(np.int64))


@torch.inference_mode()
def search(
    model: T5ForConditionalGeneration,
    input_ids: Tensor,
    attention_mask: Tensor,
    trie: DeviceTrie,
    num_beams: int,
    constraint: Constraint | None = None,
) -> Beams:
    """Find the best leaves of each row by beam search.

    A token's probability is renormalised over what the trie and the row's filters leave, so only
    nodes with a choice are run; with as many beams as the widest level has nodes it is exact.

    Args:
        model: In evaluation mode.
        input_ids: See ``lay_out``. Shape: (B, T).
        attention_mask: Shape: (B, T).
        trie: On the model's device.
        num_beams: Beams kept at each level and leaves returned.
        constraint: Of B rows.

    Returns:
        Fewer leaves only where the filters leave fewer: then -1 with -inf. Shape: (B, num_beams).
    """
    scorer = _TigerScorer(model, input_ids, attention_mask)
    return run_search(beam_search(Policy(trie, constraint), len(input_ids), num_beams), scorer)


class _TigerScorer:
    """A batch of histories, read once; beams share the keys and values of what was read."""

    def __init__(
        self, model: T5ForConditionalGeneration, input_ids: Tensor, attention_mask: Tensor
    ) -> None:
        self._model, self._mask = model, attention_mask
        self._states = model.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        everyone = torch.arange(len(input_ids), device=input_ids.device)
        cross = DynamicCache()
        self._first = self._run(everyone, torch.full_like(input_ids[:, :1], PAD), cross)
        self._shared = [(keys, values) for keys, values, *_ in cross]

    def child_logits(self, step: Step) -> Tensor:
        """See ``StepScorer``."""
        tokens = step.children.tokens
        if step.paths.shape[-1] == 0:
            return self._first.gather(1, tokens[:, 0]).unsqueeze(1)
        logits = torch.zeros(tokens.shape, device=tokens.device)
        if not step.children.has_choice.any():
            return logits
        start = torch.full_like(step.paths[..., :1], PAD)
        written = torch.cat([start, step.paths], dim=-1)
        for chosen in step.children.has_choice.nonzero().split(_BEAMS_AT_ONCE):
            rows, beams = chosen.unbind(1)
            cross = DynamicCache()
            for layer, (keys, values) in enumerate(self._shared):
                cross.update(keys[rows], values[rows], layer)
            after = self._run(rows, written[rows, beams], cross)
            logits[rows, beams] = after.gather(1, tokens[rows, beams])
        return logits

    def _run(self, rows: Tensor, written: Tensor, cross: DynamicCache) -> Tensor:
        """Return the scores of what follows each path; fills ``cross`` if empty. Shape: (R, V)."""
        output: Any = self._model(
            encoder_outputs=(self._states[rows],),
            attention_mask=self._mask[rows],
            decoder_input_ids=written,
            past_key_values=EncoderDecoderCache(DynamicCache(), cross),
            use_cache=True,
        )
        result: Tensor = output.logits[:, -1].float()
        return result
