"""The form of a summary as JSON, the same for what a model says and for what is left of it.

Tuned models, chat models and the gateway share it, and one JSON schema follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from genrec.interests.profile.buckets import SUMMARY_LISTS, SummaryList
from genrec.interests.summary.codec import MAX_NAMED

MAX_SUMMARY_CHARS = 400


class Claim(BaseModel):
    """An interest and what it rests on.

    Attributes:
        interest: Its name.
        events: Events by their number in the history, the oldest being 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interest: str
    events: list[int]


class SummaryContent(BaseModel):
    """What a user cares about.

    Attributes:
        long_term: Interests that span the history.
        recent: Interests of the latest events.
        emerging: Interests that grow.
        fading: Interests that were stronger.
        summary: Up to three sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_term: list[Claim]
    recent: list[Claim]
    emerging: list[Claim]
    fading: list[Claim]
    summary: str = Field(max_length=20_000)

    def claims(self) -> Iterator[tuple[SummaryList, Claim]]:
        """Yield every claim with its list."""
        for name in SUMMARY_LISTS:
            for claim in getattr(self, name):
                yield name, claim


def json_schema(names: Sequence[str], numbers: Sequence[int]) -> dict[str, Any]:
    """Return the JSON schema of a summary.

    Args:
        names: Interests that may be named.
        numbers: Events that may be cited.
    """
    schema = SummaryContent.model_json_schema()
    claim = schema["$defs"]["Claim"]["properties"]
    claim["interest"]["enum"] = list(names)
    if numbers:
        claim["events"]["items"]["enum"] = list(numbers)
    for name in SUMMARY_LISTS:
        schema["properties"][name]["maxItems"] = MAX_NAMED[name]
    schema["properties"]["summary"]["maxLength"] = MAX_SUMMARY_CHARS
    return schema
