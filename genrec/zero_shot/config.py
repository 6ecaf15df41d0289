"""Settings of zero-shot recommending."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from genrec.zero_shot.candidates import SOURCES


class ZeroShotConfig(BaseModel):
    """How a chat model is asked.

    Attributes:
        method: "logprob" ranks candidates by the log-probability of each; "generate" lets the
            model write the ranking as JSON held to the candidates; "open" lets it name what it
            likes and maps that to items; "auto" takes "logprob" where the model allows it.
        num_candidates: Items a prompt shows.
        sources: Where candidates come from, in the order of their turns.
        orders: Orders in which candidates are shown; their rankings are averaged.
        examples: Of other users, in every prompt.
        review_chars: Length cap of a review's excerpt; 0 leaves reviews out.
        title_chars: Length cap of a title.
        answer_tokens: Room for a JSON answer.
        context_tokens: Of a server that does not tell; a model's own length is used where known.
        seed: Of orders and examples.
        concurrency: Requests under way at the same time.
        timeout_s: Longest wait for one answer.
        attempts: Most requests for one answer.
        deadline_s: Longest time for one answer, waits and retries included.
        first_wait_s: Upper end of the random wait before a second attempt; doubled each time.
        prompt_price: Of a million prompt tokens, for the cost.
        answer_price: Of a million answer tokens.
        cache: File of answers; None keeps none.
        dtype: Of a local model's weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["auto", "logprob", "generate", "open"] = "auto"
    num_candidates: int = Field(20, ge=2, le=100)
    sources: tuple[str, ...] = SOURCES
    orders: int = Field(1, ge=1, le=100)
    examples: int = Field(0, ge=0, le=20)
    review_chars: int = Field(240, ge=0)
    title_chars: int = Field(80, ge=8)
    answer_tokens: int = Field(768, ge=16)
    context_tokens: int | None = Field(None, ge=64)
    seed: int = 0
    concurrency: int = Field(8, ge=1)
    timeout_s: float = Field(60.0, gt=0)
    attempts: int = Field(5, ge=1)
    deadline_s: float = Field(300.0, gt=0)
    first_wait_s: float = Field(0.5, ge=0)
    prompt_price: float = Field(0.0, ge=0)
    answer_price: float = Field(0.0, ge=0)
    cache: Path | None = None
    dtype: str = "auto"
