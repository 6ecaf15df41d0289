"""The path from a user to an item over the user's own events, in the interest graph.

Other users' acts lead nowhere here, so the graph of one history is enough: nothing is kept, and it
costs the same whatever the catalogue's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from genrec.graph import find_path, graph_histories
from genrec.schema import History, Item
from genrec.semantic_ids.table import SemanticIdTable

OWN = ("user-item", "item-interest")


def own_path(
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
    # Met already, the item itself would be the whole path.
    others = tuple(event for event in history.events if event.item_id != item_id)
    if not others:
        return ()
    met = dict.fromkeys(event.item_id for event in others)
    kept = [*filter(table.knows, met), item_id]
    rows = [table.index_of(one) for one in kept]
    small = replace(table, item_ids=kept, codes=table.codes[rows], seen_in_training=None)
    items = [Item(one, title=label(one)) for one in kept]
    graph = graph_histories([History(history.user_id, others)], small, items=items)
    found = find_path(graph, history.user_id, item_id, relations=OWN)
    return () if found is None else tuple(node.name for node in found.nodes)
