"""What the gateway must not forget: events, items added since, rules, users who were deleted."""

from genrec.serving.store.connect import connect, migrate
from genrec.serving.store.events import EventStore, StoredEvent
from genrec.serving.store.items import ItemStore, StoredItem
from genrec.serving.store.rules import RuleStore, StoredRule

__all__ = [
    "EventStore",
    "ItemStore",
    "RuleStore",
    "StoredEvent",
    "StoredItem",
    "StoredRule",
    "connect",
    "migrate",
]
