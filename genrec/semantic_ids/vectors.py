"""Items to the joined vectors that are quantised, by an encoder that is fitted once and frozen.

Enters: items, and for the catalogue its behaviour vectors. Leaves: one vector an item, and the
encoder as JSON and safetensors: nothing is pickled, so loading one runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from genrec.schema import Item
from genrec.semantic_ids.config import TFIDF, IndexConfig
from genrec.semantic_ids.encoders import HubEncoder
from genrec.semantic_ids.fuse import Fusion
from genrec.semantic_ids.linear import Projection
from genrec.semantic_ids.text import TfidfEncoder

TEXT_PART, BEHAVIOUR_PART, IMAGE_PART = "text", "behaviour", "image"
ENCODER_FILE = "encoder.json"
ARRAYS_FILE = "encoder.safetensors"


@dataclass(frozen=True)
class ItemEncoder:
    """Frozen map from items to joined vectors.

    Attributes:
        text: Text encoder; None where text is left out.
        image: Reduction of picture vectors; None where there were none.
        fusion: Join of the parts.
    """

    text: TfidfEncoder | HubEncoder | None
    image: Projection | None
    fusion: Fusion

    @classmethod
    def fit(
        cls,
        items: Sequence[Item],
        behaviour: np.ndarray,
        images: np.ndarray | None,
        config: IndexConfig,
    ) -> tuple[ItemEncoder, np.ndarray, np.ndarray | None]:
        """Learn from a catalogue.

        Args:
            items: The catalogue.
            behaviour: Unit rows, zeros where unknown. Shape: (N, B).
            images: Likewise, or None. Shape: (N, E).
            config: What to make of them.

        Returns:
            The encoder, the catalogue's joined vectors (N, D), and those of its texts alone
            (N, T); None where text is left out.
        """
        parts, weights = {BEHAVIOUR_PART: behaviour}, {BEHAVIOUR_PART: config.behaviour.weight}
        text: TfidfEncoder | HubEncoder | None = None
        if config.text.weight > 0:
            if config.text.encoder == TFIDF:
                text = TfidfEncoder.fit(items, config.text, config.seed)
                parts[TEXT_PART] = text.encode(items)
            else:
                text, parts[TEXT_PART] = HubEncoder.fit(items, config.text)
            weights[TEXT_PART] = config.text.weight
        image: Projection | None = None
        if images is not None and config.image is not None:
            image = Projection.fit(images, config.image.dims)
            parts[IMAGE_PART] = image.apply(images)
            weights[IMAGE_PART] = config.image.weight
        fusion = Fusion.fit(parts, weights)
        joined = fusion.join(parts, len(items))
        return cls(text, image, fusion), joined, parts.get(TEXT_PART)

    def encode(self, items: Sequence[Item], images: np.ndarray | None = None) -> np.ndarray:
        """Return the vectors of new items, whose behaviour is predicted. Shape: (N, D)."""
        parts = {}
        if self.text is not None:
            parts[TEXT_PART] = self.text.encode(items)
        if self.image is not None and images is not None:
            parts[IMAGE_PART] = self.image.apply(images)
        return self.fusion.join(parts, len(items))

    def encode_text(self, items: Sequence[Item]) -> np.ndarray | None:
        """Return the vectors of texts alone; None where text is left out. Shape: (N, T)."""
        return None if self.text is None else self.text.encode(items)

    def save(self, directory: Path) -> None:
        """Write the encoder's files into a directory."""
        settings: dict[str, Any] = {"weights": self.fusion.weights, "widths": self.fusion.widths}
        arrays: dict[str, Any] = {
            f"fill.{name}": matrix for name, matrix in self.fusion.fills.items()
        }
        if isinstance(self.text, TfidfEncoder):
            settings[TFIDF] = {
                "max_words": self.text.max_words, "vocabulary": self.text.vocabulary,
            }  # fmt: skip
            arrays["text.idf"] = self.text.idf
            arrays["text.components"] = self.text.components
        elif self.text is not None:
            settings["hub"] = {
                "name": self.text.name,
                "max_words": self.text.max_words,
                "max_tokens": self.text.max_tokens,
                "batch_size": self.text.batch_size,
            }
            arrays["text.probe"] = self.text.probe
            arrays["text.mean"] = self.text.projection.mean
            arrays["text.components"] = self.text.projection.components
        if self.image is not None:
            arrays["image.mean"] = self.image.mean
            arrays["image.components"] = self.image.components
        text = json.dumps(settings, ensure_ascii=False)
        (directory / ENCODER_FILE).write_text(text + "\n", encoding="utf-8")
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(contiguous, directory / ARRAYS_FILE)

    @staticmethod
    def is_saved(directory: Path) -> bool:
        """Tell whether ``save`` wrote here."""
        return (directory / ENCODER_FILE).exists()

    @classmethod
    def load(cls, directory: Path) -> ItemEncoder:
        """Read what ``save`` wrote; a language model is not loaded yet.

        Raises:
            KeyError, ValueError, OSError, SafetensorError: Damaged files.
        """
        settings = json.loads((directory / ENCODER_FILE).read_text(encoding="utf-8"))
        arrays = load_file(directory / ARRAYS_FILE)
        text: TfidfEncoder | HubEncoder | None = None
        if TFIDF in settings:
            text = TfidfEncoder(
                idf=arrays["text.idf"], components=arrays["text.components"], **settings[TFIDF]
            )
        elif "hub" in settings:
            projection = Projection(arrays["text.mean"], arrays["text.components"])
            text = HubEncoder(projection=projection, probe=arrays["text.probe"], **settings["hub"])
        image = None
        if "image.mean" in arrays:
            image = Projection(arrays["image.mean"], arrays["image.components"])
        fills = {
            name.removeprefix("fill."): array
            for name, array in arrays.items()
            if name.startswith("fill.")
        }
        return cls(text, image, Fusion(settings["widths"], settings["weights"], fills))
