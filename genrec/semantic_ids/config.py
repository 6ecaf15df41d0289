"""What a user may set about semantic IDs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

TFIDF = "tfidf"


class TextConfig(BaseModel):
    """How items become text vectors.

    Attributes:
        encoder: "tfidf" (TF-IDF and truncated SVD: no download), "minilm" (all-MiniLM-L6-v2, from
            the extra of that name), or the name or path of any sentence-transformers or Hugging
            Face encoder.
        dims: Width of the text vectors; a Hub encoder's are reduced to it.
        weight: Share in the joined vector, relative to the other parts. 0: leave text out.
        max_words: Words read of a description, and again of the other text.
        min_items: Terms of fewer items are passed over; TF-IDF only.
        max_terms: The most frequent terms are kept; TF-IDF only.
        batch_size: Items encoded at once; Hub encoders only.
        max_tokens: Tokens read of an item; Hub encoders only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = TFIDF
    dims: int = Field(default=256, ge=1)
    weight: float = Field(default=0.75, ge=0, allow_inf_nan=False)
    max_words: int = Field(default=60, ge=0)
    min_items: int = Field(default=2, ge=1)
    max_terms: int = Field(default=50_000, ge=1)
    batch_size: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=256, ge=1)


class BehaviourConfig(BaseModel):
    """How training events become item vectors: the interest graph.

    Attributes:
        dims: Width of the behaviour vectors.
        weight: Share in the joined vector, relative to the other parts. 0: leave it out.
        window: Events of a user at most this far apart count as met together, with weight one
            over their distance.
        half_life_days: Time between two events that halves their weight.
        shift: Subtracted from the pointwise mutual information; higher keeps surer pairs only.
        smoothing: Power of the context counts; below 1 it tames rare items.
        method: "svd": the leading directions of the pairs' mutual information. "propagation":
            these, then averaged over the graph of co-occurrences layer by layer.
        layers: Steps of the propagation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dims: int = Field(default=128, ge=1)
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    window: int = Field(default=5, ge=1)
    half_life_days: float = Field(default=365.0, gt=0, allow_inf_nan=False)
    shift: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    smoothing: float = Field(default=0.75, gt=0, le=1)
    method: Literal["svd", "propagation"] = "svd"
    layers: int = Field(default=3, ge=1, le=32)


class ImageConfig(BaseModel):
    """Vectors of the items' pictures, computed elsewhere.

    Attributes:
        path: A .npz with arrays "item_ids" (N,) and "vectors" (N, D), or a .npy of shape (N, D)
            in catalogue order. A row of zeros, or an ID left out of the .npz, has no picture.
        weight: Share in the joined vector, relative to the other parts.
        dims: The vectors are reduced to this width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    weight: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    dims: int = Field(default=128, ge=1)


class IndexConfig(BaseModel):
    """Settings of ``genrec.semantic_ids.build.build_index``.

    Attributes:
        num_levels: Codes of an ID.
        codebook_size: Codes of a level; a small catalogue gets fewer (``fit_codebook_size``).
        max_training_items: The codebook is fitted on at most so many items, drawn by the seed.
        seed: Of every random choice.
        text: See ``TextConfig``.
        behaviour: See ``BehaviourConfig``.
        image: See ``ImageConfig``; None: no pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_levels: int = Field(default=3, ge=2, le=8)
    codebook_size: int = Field(default=256, ge=2, le=65_536)
    max_training_items: int = Field(default=100_000, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    text: TextConfig = TextConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    image: ImageConfig | None = None

    @model_validator(mode="after")
    def _something_to_see(self) -> IndexConfig:
        if not (self.text.weight or self.behaviour.weight or self.image):
            raise ValueError("text, behaviour and image are all left out; give one a weight")
        return self
