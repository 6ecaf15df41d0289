"""Why an item: the events of a history that share the longest named semantic-ID prefix with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genrec.interests.explain.explanation_text import join
from genrec.schema import Event, History, SemanticId
from genrec.semantic_ids.table import NamedCodes

MAX_EVENTS = 3


@dataclass(frozen=True)
class Reason:
    """What an item has in common with a history.

    Attributes:
        prefix: The longest named prefix that the item shares with any event.
        interest: Its name.
        events: The newest ``MAX_EVENTS`` events under it, newest first.
        count: All events under it.
    """

    prefix: SemanticId
    interest: str
    events: tuple[Event, ...]
    count: int

    def sentence(self, titles: Sequence[str]) -> str:
        """Say it in words.

        Args:
            titles: Of ``events``, in their order.
        """
        distinct, others = list(dict.fromkeys(titles)), self.count - len(self.events)
        liked = f"{', '.join(distinct)} and {others} more" if others else join(distinct)
        return f"Of “{self.interest}”, like {liked} in your history."


def find_reason(codes: SemanticId, history: History, table: NamedCodes) -> Reason | None:
    """Return what links an item to a history; None where not even their first codes meet.

    Args:
        codes: Of the item.
        history: Events, oldest first; events of items the table does not know are passed over.
        table: Semantic IDs and the names of prefixes.
    """
    known = [
        (table.codes_of(event.item_id), event)
        for event in history.events
        if table.knows(event.item_id)
    ]
    for length in range(len(codes), 0, -1):
        prefix, shorter = codes[:length], codes[: length - 1]
        # A prefix without a name of its own is called as the shorter one is.
        if shorter and table.name_of(prefix) == table.name_of(shorter):
            continue
        sharing = [event for other, event in known if other[:length] == prefix]
        if sharing:
            newest = tuple(reversed(sharing[-MAX_EVENTS:]))
            return Reason(prefix, table.name_of(prefix), newest, len(sharing))
    return None
