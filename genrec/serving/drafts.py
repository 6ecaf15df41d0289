"""Lists mixed of two arms', for experiments that are interleaved.

Enters: a request, and the rules of both arms. Leaves: one list in which each item was put by one of
them (``genrec.experiments.team_draft``). Whoever asks again within the half hour in which a page
counts once gets the same draw.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np

from genrec.experiments import team_draft
from genrec.rules import Plan
from genrec.schema import Request
from genrec.serving.query import Answer
from genrec.serving.rules import Sides
from genrec.serving.store import PAGE_S, Draft

Recommend = Callable[[Request, int, Plan | None], Awaitable[Answer]]


async def recommend_mixed(
    recommend: Recommend, request: Request, k: int, sides: Sides, now: int
) -> Answer:
    """Return ``k`` items of two arms, or those of the control where the lists cannot be mixed.

    They cannot where a rule binds whole lists, which a mix might break, and where an arm's adapter
    does not answer.

    Args:
        recommend: Answers under one plan.
        request: What is asked.
        k: How many.
        sides: The arms.
        now: This moment, seconds.

    Raises:
        GenrecError: What ``recommend`` raises.
    """
    if any(plan is not None and plan.binds_lists for plan in sides.plans):
        return await recommend(request, k, sides.plans[0])
    asked = (recommend(request, k, plan) for plan in sides.plans)
    control, challenger = await asyncio.gather(*asked)
    if not (control.as_asked and challenger.as_asked):
        return control
    found = [{item.item_id: item for item in one.items} for one in (control, challenger)]
    drafted = team_draft([*found[0]], [*found[1]], k, _draw(sides.experiment, request, now))
    teams = [0 if team == "first" else 1 for team in drafted.teams]
    items = [
        # How chance chose within one of the lists says nothing of the mixed one.
        replace(found[team][item_id], rank=rank, draw=None)
        for rank, (item_id, team) in enumerate(zip(drafted.items, teams, strict=True), 1)
    ]
    draft = Draft(
        sides.experiment,
        dict(zip(sides.arms, (control.adapter, challenger.adapter), strict=True)),
        tuple(sides.arms[team] for team in teams),
    )
    rules = {rule.name: rule for rule in (*control.rules, *challenger.rules)}
    return Answer(items, control.adapter, tuple(rules.values()), draft=draft)


def _draw(experiment: str, request: Request, now: int) -> np.random.Generator:
    # What earlier pages showed is excluded, so that each page has a draw of its own.
    page = [experiment, request.history.user_id, now // PAGE_S, len(request.exclude)]
    digest = hashlib.blake2b(json.dumps(page).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))
