"""Items to text vectors with a language model: sentence-transformers or Hugging Face, by name.

Enters: items. Leaves: one vector an item. torch and the model are loaded when first used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genrec.batching import batch_by_length
from genrec.devices import choose_device
from genrec.errors import ArtifactError, ConfigError
from genrec.installed_models import resolve
from genrec.progress import track
from genrec.schema import Item
from genrec.semantic_ids.config import TextConfig
from genrec.semantic_ids.linear import Projection, normalize_rows

# Encoded when fitting and again when loaded: the same name may hold other weights by then.
_PROBE = "a thing that everybody likes"
_PROBE_TOLERANCE = 0.02


def describe(item: Item, max_words: int) -> str:
    """Return an item as one text for a language model; empty where nothing is known."""
    parts = [
        item.title,
        item.brand,
        " > ".join(item.categories),
        *(" ".join(text.split()[:max_words]) for text in (item.description, item.text) if text),
    ]
    return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class HubEncoder:
    """A language model's vectors, reduced to their leading directions.

    Attributes:
        name: Name or path, as given by the user.
        projection: Fitted on the catalogue.
        probe: Vector of a fixed text, to know the model again. Shape: (E,), float32.
        max_words: See ``TextConfig``.
        max_tokens: See ``TextConfig``.
        batch_size: See ``TextConfig``.
    """

    name: str
    projection: Projection
    probe: np.ndarray
    max_words: int
    max_tokens: int
    batch_size: int

    @classmethod
    def fit(cls, items: Sequence[Item], config: TextConfig) -> tuple[HubEncoder, np.ndarray]:
        """Encode a catalogue and learn the reduction.

        Returns:
            The encoder and the catalogue's vectors, which cost too much to compute twice.
            Shape: (N, D).

        Raises:
            ConfigError: The model cannot be loaded, or what it needs is not installed.
        """
        model = _load(config.encoder, config.max_tokens)
        texts = [describe(item, config.max_words) for item in items]
        raw = _encode_texts(model, texts, config.batch_size)
        projection = Projection.fit(raw, config.dims)
        probe = model.encode([_PROBE])[0]
        encoder = cls(
            name=config.encoder,
            projection=projection,
            probe=probe,
            max_words=config.max_words,
            max_tokens=config.max_tokens,
            batch_size=config.batch_size,
        )
        return encoder, projection.apply(raw)

    def encode(self, items: Sequence[Item]) -> np.ndarray:
        """Return unit vectors, or zeros for an item without text. Shape: (N, D).

        Raises:
            ConfigError: The model cannot be loaded any more.
            ArtifactError: Its weights are not those it was fitted with.
        """
        model = _load(self.name, self.max_tokens)
        probe = model.encode([_PROBE])[0]
        if probe.shape != self.probe.shape or probe @ self.probe < 1 - _PROBE_TOLERANCE:
            raise ArtifactError(
                f"encoder '{self.name}' is not the model this table was built with; put the old "
                "one back, or run `genrec index` again"
            )
        texts = [describe(item, self.max_words) for item in items]
        return self.projection.apply(_encode_texts(model, texts, self.batch_size))


def _encode_texts(model: Any, texts: list[str], batch_size: int) -> np.ndarray:
    """Encode the texts that are not empty, long ones together. Shape: (N, E)."""
    filled = [index for index, text in enumerate(texts) if text]
    lengths = [len(texts[index]) for index in filled]
    batches = [
        [filled[index] for index in batch]
        for batch in batch_by_length(lengths, max_size=batch_size, longest_first=True)
    ]
    vectors: np.ndarray | None = None
    for batch in track(batches, "encoding item texts"):
        encoded = model.encode([texts[index] for index in batch])
        if vectors is None:
            vectors = np.zeros((len(texts), encoded.shape[1]), dtype=np.float32)
        vectors[batch] = encoded
    return np.zeros((len(texts), 0), np.float32) if vectors is None else vectors


@lru_cache(maxsize=1)
def _load(name: str, max_tokens: int) -> Any:
    """Load a model; the last one stays, since items arrive a few at a time."""
    from transformers.utils.hub import cached_file

    path = resolve(name)
    try:
        modules = cached_file(path, "modules.json", _raise_exceptions_for_missing_entries=False)
        if modules is None:
            return _MeanPooled(path, max_tokens)
        if importlib.util.find_spec("sentence_transformers") is None:
            raise ConfigError(
                f"encoder '{name}' is a sentence-transformers model; "
                "install it with: pip install 'genrec[encoders]'"
            )
        return _SentenceTransformer(path, max_tokens)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        hint = "" if Path(name).exists() else ", give a folder or a name on the Hugging Face Hub"
        raise ConfigError(
            f"cannot load encoder '{name}': {reason} — check text.encoder{hint}, or use 'tfidf'"
        ) from None


class _SentenceTransformer:
    """A model with its own recipe of pooling."""

    def __init__(self, name: str, max_tokens: int):
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(name)
        self._model.max_seq_length = min(max_tokens, self._model.max_seq_length or max_tokens)

    def encode(self, texts: list[str]) -> np.ndarray:
        encoded = self._model.encode(texts, convert_to_numpy=True, show_progress_bar=False)
        return normalize_rows(encoded)


class _MeanPooled:
    """A plain language model: the mean of the last hidden states over the text's tokens."""

    def __init__(self, name: str, max_tokens: int):
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(name)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._device = choose_device()
        self._model = AutoModel.from_pretrained(name).to(self._device).eval()
        self._max_tokens = max_tokens

    def encode(self, texts: list[str]) -> np.ndarray:
        import torch

        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        ).to(self._device)
        with torch.inference_mode():
            hidden = self._model(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            ).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return normalize_rows(pooled.float().cpu().numpy())
