"""Answers as rules ask the model for them (``answer_with``), or else as without them.

An adapter may be gone here (its folder vanished before this gateway or its vLLM server loaded it),
or the rule be gone while a request waited. The user gets a list all the same, and who keeps it is
told that it is not what was asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from genrec.errors import ArtifactError, ConfigError
from genrec.schema import AS_SERVED, Recommendation, Request
from genrec.serving.loading import AnyRecommender
from genrec.serving.monitoring import describe_fault, log

Rank = Callable[[Sequence[Request]], Sequence[Sequence[Recommendation]]]


class Ranked(NamedTuple):
    """What was found for one request.

    Attributes:
        items: Best first.
        adapter: Which found them; None: the base alone.
        as_asked: Whether the model answered as the request wanted.
    """

    items: Sequence[Recommendation]
    adapter: str | None
    as_asked: bool


def answer_as_asked(
    recommender: AnyRecommender, requests: Sequence[Request], rank: Rank
) -> list[Ranked]:
    """Rank with the settings that requests want, or where that cannot be as all others.

    Args:
        recommender: Whose turn at the engine it is.
        requests: Of equal settings.
        rank: Ranks them.

    Raises:
        GenrecError: What ``rank`` raises for other reasons.
    """
    wanted = requests[0].model
    if wanted != AS_SERVED:
        try:
            recommender.check_model(wanted)
            adapter = wanted.adapter or recommender.adapter
            return [Ranked(items, adapter, True) for items in rank(requests)]
        except (ConfigError, ArtifactError) as error:
            log("not_as_asked", logging.WARNING, **describe_fault(error))
    plain = [replace(request, model=AS_SERVED) for request in requests]
    adapter = recommender.adapter
    return [Ranked(items, adapter, wanted == AS_SERVED) for items in rank(plain)]
