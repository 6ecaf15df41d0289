"""What the gateway must not forget: events, items added while serving, users who were deleted."""

from genrec.serving.store.connect import connect, migrate
from genrec.serving.store.events import EventStore, StoredEvent
from genrec.serving.store.items import ItemStore, StoredItem

__all__ = ["EventStore", "ItemStore", "StoredEvent", "StoredItem", "connect", "migrate"]
