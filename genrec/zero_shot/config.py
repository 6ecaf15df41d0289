"""Settings of zero-shot recommendation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from genrec.zero_shot.candidates import SOURCES


class ChatOptions(TypedDict, total=False):
    """How a chat model is reached, and what a request without an answer is.

    Attributes:
        model_name: Name of the model on the server; None: the first one served.
        api_key: For the server; None: the variable OPENAI_API_KEY.
        device: Of a local model.
        raises: Whether a request without an answer is an error in ``rank_many`` too.
    """

    model_name: str | None
    api_key: str | None
    device: str | None
    raises: bool


class RetryPolicy(BaseModel):
    """How often and how long to try for one answer.

    Attributes:
        concurrency: Maximum number of simultaneous requests.
        timeout_s: Maximum duration of one request.
        attempts: Maximum number of requests for one answer.
        deadline_s: Maximum time for one answer, including waits and retries.
        first_wait_s: Upper bound of the random wait before the second attempt; it doubles with
            every further attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(8, ge=1)
    timeout_s: float = Field(60.0, gt=0)
    attempts: int = Field(5, ge=1)
    deadline_s: float = Field(300.0, gt=0)
    first_wait_s: float = Field(0.5, ge=0)


class ZeroShotConfig(RetryPolicy):
    """How a chat model is asked.

    Attributes:
        method: "logprob" ranks candidates by the log-probability of each; "generate" lets the
            model write the ranking as JSON restricted to the candidates; "open" lets it name
            titles freely and matches them to items; "auto" is "logprob" where the model allows it.
        num_candidates: Items shown in a prompt.
        sources: Where candidates come from; they take turns in this order.
        orders: Random orders in which candidates are shown; the scores are averaged.
        examples: Few-shot examples of other users in every prompt.
        review_chars: Maximum length of a review excerpt; 0 omits reviews.
        title_chars: Maximum length of a title.
        answer_tokens: Maximum length of a JSON answer.
        context_tokens: Context length, for servers that do not report it.
        seed: For orders and examples.
        prompt_price: Price of a million prompt tokens.
        answer_price: Price of a million answer tokens.
        cache: File of cached answers; None: no cache.
        dtype: Of a local model's weights.
    """

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
    prompt_price: float = Field(0.0, ge=0)
    answer_price: float = Field(0.0, ge=0)
    cache: Path | None = None
    dtype: str = "auto"
