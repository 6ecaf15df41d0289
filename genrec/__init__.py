"""genrec: an LLM-native generative recommender. Event streams in, items and interests out."""

import logging
from typing import TYPE_CHECKING, Any

from genrec.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DecodeError,
    EngineUnavailable,
    GenrecError,
    PromptError,
    TooFewItems,
    WrongTypeError,
)
from genrec.schema import Event, History, Interest, Item, Recommendation, Request

if TYPE_CHECKING:
    from genrec.recommender import Recommender

# Before either is imported: what they warn of at every start (tied weights stored once, a faster
# kernel that is optional) is nothing a user has to act on.
logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "DecodeError",
    "EngineUnavailable",
    "Event",
    "GenrecError",
    "History",
    "Interest",
    "Item",
    "PromptError",
    "Recommendation",
    "Recommender",
    "Request",
    "TooFewItems",
    "WrongTypeError",
]


def __getattr__(name: str) -> Any:
    """Import the recommender, and torch with it, only when it is asked for."""
    if name == "Recommender":
        from genrec.recommender import Recommender

        return Recommender
    raise AttributeError(f"module 'genrec' has no attribute '{name}'")
