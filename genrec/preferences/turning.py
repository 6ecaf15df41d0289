"""Interests that a user wants more or less of, as nats by prefix: what a search understands.

Enters: requests, their prompts, and a model's odds of codes. Leaves: the bias of each request.
Must not know which model it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from genrec.rules.turning import nats_to_turn
from genrec.schema import Request, SemanticId

Prompt = Sequence[int]


def biases_of(
    requests: Sequence[Request],
    prompts: Sequence[Prompt],
    code_log_probs: Callable[[Sequence[Prompt], SemanticId, Sequence[str]], np.ndarray],
) -> list[dict[SemanticId, float]]:
    """Return the nats of each request: those it names, and those that turn interests.

    Every parent of an interest that is turned is asked for once more.

    Args:
        requests: B of them.
        prompts: One for each.
        code_log_probs: See ``Engine.code_log_probs``.
    """
    biases = [dict(request.interest_bias) for request in requests]
    places_of: dict[SemanticId, list[int]] = {}
    for place, request in enumerate(requests):
        for parent in {prefix[:-1] for prefix in request.turned}:
            places_of.setdefault(parent, []).append(place)
    for parent, places in places_of.items():
        owners = [requests[place].history.user_id for place in places]
        log_probs = code_log_probs([prompts[place] for place in places], parent, owners)
        for place, of_codes in zip(places, log_probs, strict=True):
            bias = biases[place]
            for prefix, want in requests[place].turned.items():
                if prefix[:-1] == parent:
                    nats = nats_to_turn(want, float(np.exp(of_codes[prefix[-1]])))
                    bias[prefix] = bias.get(prefix, 0.0) + nats
    return biases
