"""What the gateway must not forget: events, items added while serving, users who were deleted."""

from serve.store.connect import connect, migrate
from serve.store.events import EventStore, StoredEvent
from serve.store.items import ItemStore, StoredItem

__all__ = ["EventStore", "ItemStore", "StoredEvent", "StoredItem", "connect", "migrate"]
