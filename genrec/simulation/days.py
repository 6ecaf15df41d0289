"""The days: who comes when, what they are shown, what they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from genrec.data.toy.catalogue import Catalogue
from genrec.data.toy.world import DAY_S, ToyConfig, draw_world
from genrec.progress import track
from genrec.schema import Event
from genrec.simulation.arms import Arm, Shown
from genrec.simulation.behaviour import Luck
from genrec.simulation.results import Results, Visit
from genrec.simulation.visitors import Fashion, Visitor, drift_on

OPEN_S = (7 * 3600, 22 * 3600)
"""When users come, within a day."""
BETWEEN_EVENTS_S = 60
# Each kind of chance has a stream of its own, so that one does not depend on how another is used.
_FASHION, _INTERESTS, _ARRIVALS, _LUCK = range(4)


class SimulationConfig(BaseModel):
    """Settings of a simulation.

    Attributes:
        days: How many.
        visits: Users who come on each day.
        k: Items on a page.
        drift: Chance that a user turns to a new theme, and share of themes whose items change
            their order: 0 none, 1 all.
        clients: Users who are served at once. Several are faster, for gateways answer them
            together; but who is answered with whom is chance, and so is which of two items with as
            good as equal scores comes first.
        seed: Equal settings, with one client, and arms that answer alike, give equal results.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=30, ge=1, le=1000)
    visits: int = Field(default=100, ge=1)
    k: int = Field(default=10, ge=1)
    drift: float = Field(default=0.5, ge=0, le=1)
    clients: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)


def simulate(
    toy: ToyConfig,
    config: SimulationConfig,
    arms: Sequence[Arm],
    begin: int,
) -> Results:
    """Let the users of a toy world live through days under each arm.

    Args:
        toy: The world, as it was written.
        config: Settings.
        arms: The control first; each name once. Every arm meets the same users with the same luck.
        begin: First second of the first day.

    Raises:
        GenrecError: An arm cannot answer.
    """
    catalogue, drawn = draw_world(toy)
    users = list(drawn)
    end = begin + config.days * DAY_S
    rng = np.random.default_rng([config.seed, _FASHION])
    fashion = Fashion.draw(rng, len(catalogue.items), config.days, config.drift)
    tastes = [
        drift_on(
            np.random.default_rng([config.seed, _INTERESTS, number]),
            *(user, len(catalogue.themes), (begin, end), config.drift),
        )
        for number, user in enumerate(users)
    ]
    visitors = {
        arm.name: [Visitor(*one, catalogue) for one in zip(users, tastes, strict=True)]
        for arm in arms
    }
    results = Results([arm.name for arm in arms], config.days, len(catalogue.items))

    def visit(arm: Arm, day: int, number: int, at: int) -> Visit:
        visitor = visitors[arm.name][number]
        luck = Luck.draw(np.random.default_rng([config.seed, _LUCK, day, number]), config.k)
        order = fashion.orders[day]
        chances = visitor.chances(at, luck.event_type, order, toy.repeat_rate)
        shown = arm.show(visitor.user_id, at, config.k)
        clicks, searched = _act(visitor.user_id, catalogue, shown, chances, luck, at)
        arm.tell(clicks, searched, shown)
        visitor.observe([*clicks, *searched])
        bought = sum(event.event_type == "purchase" for event in clicks)
        return Visit(arm.name, day, visitor.user_id, shown.items, len(clicks), bought)

    with ThreadPoolExecutor(config.clients) as pool:
        for day in track(range(config.days), "Simulating days"):
            start = begin + day * DAY_S
            coming = zip(*_arrivals(config, day, len(users), start), strict=True)
            numbers, moments = map(tuple, coming)
            for arm in arms:
                arm.begin(day)
                # Nobody comes twice on a day, so visits need not wait for each other.
                results.visits += pool.map(partial(visit, arm, day), numbers, moments)
                arm.end(day, start + DAY_S - 1)
    return results


def _arrivals(
    config: SimulationConfig, day: int, num_users: int, start: int
) -> Iterator[tuple[int, int]]:
    """Yield who comes on a day and when, in order of time; nobody comes twice."""
    rng = np.random.default_rng([config.seed, _ARRIVALS, day])
    who = rng.choice(num_users, size=min(config.visits, num_users), replace=False)
    when = np.sort(rng.integers(*OPEN_S, size=len(who)))
    yield from zip(who.tolist(), (start + when).tolist(), strict=True)


def _act(
    user_id: str, catalogue: Catalogue, shown: Shown, chances: np.ndarray, luck: Luck, at: int
) -> tuple[list[Event], list[Event]]:
    """Return a user's clicks on a page, and what they found elsewhere where there is none."""
    on_page = [catalogue.index_of[item_id] for item_id in shown.items]
    taken = [on_page[place] for place in luck.clicks(chances[on_page])]
    elsewhere = chances.copy()
    elsewhere[on_page] = 0
    found = None if taken else luck.found(elsewhere)
    clicks, searched = (
        [
            Event(
                *(user_id, catalogue.items[item].item_id, at + BETWEEN_EVENTS_S * place),
                luck.event_type,
            )
            for place, item in enumerate(items, 1)
        ]
        for items in (taken, [] if found is None else [found])
    )
    return clicks, searched
