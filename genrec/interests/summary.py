"""Interests in words: written by the model, then checked against the events.

The model reads the user's stream and names interests with their trend; it can only name interests
that exist. A name is kept only where enough events of the history lie under it; what has no
evidence is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from genrec.engines.base import SEPARATOR, Engine
from genrec.schema import History, Interest, Trend
from genrec.semantic_ids.profile import MAX_INTERESTS, find_interests
from genrec.stream.encode import Encoder

MAX_TOKENS = 96
NOT_ENOUGH = "Not enough history to say."
NO_INTERESTS = "not enough history"
"""What ``prompts/tasks/interests.jinja`` says of a history without interests."""


@dataclass(frozen=True)
class Summary:
    """What a user cares about.

    Attributes:
        words: One or two sentences; every name in them is supported by events.
        interests: The named interests with their evidence, strongest first.
        unsupported: Names the model wrote that no evidence was found for; they are in neither.
        by_model: Whether the model chose the interests; False where none of its names held, and
            the strongest interests were counted from the events instead.
    """

    words: str
    interests: tuple[Interest, ...]
    unsupported: tuple[str, ...] = ()
    by_model: bool = True


def summarize(histories: Sequence[History], engine: Engine, encoder: Encoder) -> list[Summary]:
    """Let the model say each history's interests, and keep what the events support."""
    table = encoder.renderer.table
    names = [name for prefix, name in table.names.items() if len(prefix) == 1]
    phrases = [f"{trend}: {name}" for trend in get_args(Trend) for name in names]
    prompts = encoder.interests_prompts(histories)
    texts = engine.text(prompts, MAX_TOKENS, [*phrases, NO_INTERESTS])
    return [
        check_claims(
            [name for name in _parse(text) if name in names],
            find_interests(history, table, max_interests=len(history.events)),
        )
        for text, history in zip(texts, histories, strict=True)
    ]


def check_claims(names: Sequence[str], supported: list[Interest]) -> Summary:
    """Keep the claims that hold.

    Args:
        names: Interests a model named.
        supported: Everything the events show, strongest first.
    """
    claimed = dict.fromkeys(names)
    held = {interest.name for interest in supported}
    unsupported = tuple(name for name in claimed if name not in held)
    if not supported:
        return Summary(NOT_ENOUGH, (), unsupported)
    kept = [interest for interest in supported if interest.name in claimed]
    chosen = kept or supported[:MAX_INTERESTS]
    return Summary(_write(chosen), tuple(chosen), unsupported, by_model=bool(kept))


def _parse(text: str) -> list[str]:
    """Return the names in "trend: name; trend: name"."""
    return [claim.partition(": ")[2] for claim in text.split(SEPARATOR) if ": " in claim]


def _write(interests: list[Interest]) -> str:
    """Say interests by trend; the trend is counted from the events, not taken from the model."""
    openings = {
        "emerging": "Turning to",
        "steady": "Keeps to",
        "fading": "Moving away from",
        "returned": "Back to",
    }
    sentences = []
    for trend, opening in openings.items():
        names = [interest.name for interest in interests if interest.trend == trend]
        if names:
            listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
            sentences.append(f"{opening} {listed}.")
    return " ".join(sentences)
