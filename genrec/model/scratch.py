"""A base from nothing: a byte-level BPE tokenizer and a small Qwen3, both made here.

The embedded default: no download, trained in minutes on a CPU, and the same architecture that a
Qwen-class base has, so every later step is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AddedToken, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from genrec.stream.render import PHRASES
from genrec.stream.templates import END_MARKER, EVENT_BREAK

PAD_TOKEN = "<|pad|>"


class ScratchConfig(BaseModel):
    """Size of a from-scratch base.

    Attributes:
        text_vocab_size: BPE tokens for words; the semantic-ID tokens come on top.
        hidden_size: Width.
        intermediate_size: Width of the gated feed-forward layer.
        num_layers: Depth.
        num_heads: Attention heads; they divide ``hidden_size``. vLLM's CPU kernels take heads of
            32 or more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text_vocab_size: int = 2000
    hidden_size: int = 128
    intermediate_size: int = 384
    num_layers: int = 4
    num_heads: int = 4


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, single_tokens: Iterable[str] = ()
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the catalogue and reviews.

    What every event opens with, a line break and a phrase for a gap in time, becomes one token.

    Args:
        texts: To learn from.
        vocab_size: Tokens learned.
        single_tokens: Further strings that become one token each, such as the fixed pieces of a
            summary.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    whole = [*(EVENT_BREAK + phrase for phrase in PHRASES), *single_tokens]
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in whole])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD_TOKEN, eos_token=END_MARKER
    )


def make_model(
    tokenizer: PreTrainedTokenizerFast, context_tokens: int, config: ScratchConfig
) -> Qwen3ForCausalLM:
    """Return a randomly initialised Qwen3 of the configured size."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_heads,
            head_dim=config.hidden_size // config.num_heads,
            max_position_embeddings=context_tokens,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
