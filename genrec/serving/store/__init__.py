"""What the gateway must not forget: events, answers, changes, decisions, wishes, deleted users."""

from genrec.serving.store.changes import Change, ChangeLog
from genrec.serving.store.connect import connect, migrate
from genrec.serving.store.descriptions import DescriptionStore
from genrec.serving.store.events import EventStore, StoredEvent
from genrec.serving.store.forgotten import hash_user
from genrec.serving.store.impressions import PAGE_S, Draft, Impression, ImpressionStore, Provenance
from genrec.serving.store.items import ITEM_KIND, WORDS, StoredItem
from genrec.serving.store.journal import Entry, Journal, Verdict
from genrec.serving.store.positions import POSITION, Position, StoreView, read_store_id, reading
from genrec.serving.store.preferences import PreferenceStore, StoredPreferences
from genrec.serving.store.rules import RuleStore, StoredRule
from genrec.serving.store.transactions import Lock, alone

__all__ = [
    "ITEM_KIND",
    "PAGE_S",
    "WORDS",
    "POSITION",
    "Change",
    "ChangeLog",
    "DescriptionStore",
    "Draft",
    "Entry",
    "EventStore",
    "Impression",
    "ImpressionStore",
    "Journal",
    "Lock",
    "Position",
    "PreferenceStore",
    "Provenance",
    "RuleStore",
    "StoreView",
    "StoredEvent",
    "StoredItem",
    "StoredPreferences",
    "StoredRule",
    "Verdict",
    "alone",
    "connect",
    "hash_user",
    "migrate",
    "read_store_id",
    "reading",
]
