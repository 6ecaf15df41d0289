"""The path from a user to an item over the user's own events: user, item, interest, item.

It is the path that ``find_path`` returns in the graph of this one history, along "user-item" and
"item-interest". Other users' events are not read, so it costs the same for every catalogue.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from math import sqrt

from genrec.graph.config import GraphConfig
from genrec.graph.event_weights import EventWeights
from genrec.graph.graph import DAY_S
from genrec.schema import History
from genrec.semantic_ids.table import SemanticIdTable


def user_item_path(
    history: History, item_id: str, table: SemanticIdTable, label: Callable[[str], str]
) -> tuple[str, ...]:
    """Name the nodes of the strongest path: user, an item of theirs, its interest, the item.

    Args:
        history: Events, oldest first.
        item_id: An item of the table.
        table: Semantic IDs and the names of prefixes.
        label: An item's title.

    Returns:
        Empty where no interest links the item to any event.
    """
    config = GraphConfig()
    event_weights, half_life_s = EventWeights(config), config.half_life_days * DAY_S
    weights: dict[str, float] = defaultdict(float)
    # Had the user met the item itself, it would be the whole path.
    for event in history.events:
        if event.item_id != item_id and table.knows(event.item_id):
            age = (history.events[-1].timestamp - event.timestamp) / half_life_s
            weights[event.item_id] += event_weights.weigh(event) * 2.0**-age
    prefixes = {
        known: [table.codes_of(known)[:depth] for depth in config.depths]
        for known in (*weights, item_id)
    }
    sizes = Counter(prefix for listed in prefixes.values() for prefix in listed)
    # The product of the three edges' strengths, up to a factor that all paths share.
    strengths = {
        (known, prefix): sqrt(weight) / sizes[prefix]
        for known, weight in weights.items()
        for prefix in prefixes[known]
        if prefix in prefixes[item_id] and weight > 0
    }
    if not strengths:
        return ()
    # Of equally strong paths, the one over the finer interest says more.
    known, prefix = max(strengths, key=lambda pair: (strengths[pair], len(pair[1])))
    return history.user_id, label(known), table.name_of(prefix), label(item_id)
