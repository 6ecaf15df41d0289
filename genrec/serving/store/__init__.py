"""What the gateway must not forget: events, what was shown, changes, users who were deleted."""

from genrec.serving.store.changes import Change, ChangeLog
from genrec.serving.store.connect import connect, migrate
from genrec.serving.store.events import EventStore, StoredEvent
from genrec.serving.store.impressions import Impression, ImpressionStore
from genrec.serving.store.items import ITEM_KIND, WORDS, StoredItem

__all__ = [
    "ITEM_KIND",
    "WORDS",
    "Change",
    "ChangeLog",
    "EventStore",
    "Impression",
    "ImpressionStore",
    "StoredEvent",
    "StoredItem",
    "connect",
    "migrate",
]
