"""What was shown to whom, apart from what they did. Knows nothing of how it was chosen."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, or_, select

from genrec.schema import Draw, Event
from genrec.serving.store.forgotten import times_forgotten
from genrec.serving.store.pruning import prune
from genrec.serving.store.tables import IMPRESSIONS, upsert
from genrec.serving.store.transactions import Lock, transaction

PAGE_S = 1800
"""The same page, shown to the same user again within one such stretch of the clock, counts once."""
SKEW_S = 300
"""By how much an event may seem to lie before the page it was made on."""


class Provenance(NamedTuple):
    """What brought an item; see ``Recommendation``.

    Attributes:
        brought_by: None: the model does not say.
        parts: Nats by scorer.
    """

    brought_by: str | None
    parts: Mapping[str, float]


class Draft(NamedTuple):
    """How a page was mixed of the lists of two arms.

    Attributes:
        experiment: Its name.
        adapters: Which adapter answered for each arm, the control first.
        arms: Whose item stands at each rank.
    """

    experiment: str
    adapters: Mapping[str, str | None]
    arms: tuple[str, ...]

    @property
    def challenger(self) -> str:
        """The arm that is not the control."""
        return list(self.adapters)[-1]


@dataclass(frozen=True, slots=True)
class Impression:
    """One answer, as it was shown.

    Attributes:
        user_id: None: an answer to a history without a user.
        time: Of the answer, seconds.
        items: ID and score of each item, by rank.
        model: Content hash, or name, of the model that chose.
        adapter: Its adapter, of a mixed page that of the control; None: the base alone.
        forgotten: How often the user had been forgotten when their history was read.
        times: How often the page was shown.
        arm: Of the experiment that the answer was made for, as the client called it.
        rules: Names and versions of the rules it keeps.
        draws: How chance put each item in its place, by rank; empty: there was no chance in it.
        provenance: What brought each item, by rank; empty: the model does not say.
        arms: The user's arm in each experiment that rules named then, by its name.
        draft: How the page was mixed of two arms' lists; None: it was not.
    """

    user_id: str | None
    time: int
    items: tuple[tuple[str, float], ...]
    model: str
    adapter: str | None
    forgotten: int = 0
    times: int = 1
    arm: str | None = None
    rules: tuple[tuple[str, int | None], ...] = ()
    draws: tuple[Draw | None, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    arms: tuple[tuple[str, str], ...] = ()
    draft: Draft | None = None

    def name(self) -> str:
        """Return the ID of the recommendation: one for each page, of which a user sees many."""
        if self.user_id is None:
            return uuid.uuid4().hex
        shown = (self.user_id, self.time // PAGE_S, self.forgotten, self.model, self.adapter)
        chosen_under = (self.arm, self.arms, self.rules, self.draft)
        page = repr((*shown, *chosen_under, [item_id for item_id, _ in self.items]))
        return hashlib.sha256(page.encode()).hexdigest()[:32]


class ImpressionStore:
    """Keeps impressions; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Made once: to make a statement takes longer than to carry it out.
        statement = upsert(engine, IMPRESSIONS)
        again = IMPRESSIONS.c.times + statement.excluded.times
        self._keep = statement.on_conflict_do_update(
            index_elements=["recommendation_id"], set_={"times": again}
        )

    def add(self, impressions: Sequence[Impression]) -> list[str | None]:
        """Store impressions, all that may be stored or none.

        Returns:
            The ID of each; None where the user was forgotten meanwhile: nothing is stored then.
        """
        names: list[str | None] = []
        pages: dict[str, Impression] = {}
        with transaction(self._engine, Lock.EVENTS, together=True) as connection:
            users = {one.user_id for one in impressions if one.user_id is not None}
            forgotten = times_forgotten(connection, users)
            for one in impressions:
                if one.user_id is not None and forgotten.get(one.user_id, 0) != one.forgotten:
                    names.append(None)
                    continue
                name = one.name()
                names.append(name)
                before = pages.get(name)
                pages[name] = replace(before, times=before.times + 1) if before else one
            # In one order, or two gateways that show the same pages could wait for each other.
            rows = [_to_row(name, pages[name]) for name in sorted(pages)]
            if rows:
                connection.execute(self._keep, rows)
        return names

    def read(self, recommendation_id: str) -> Impression | None:
        """Return an impression; None where there is none, or none any more."""
        wanted = select(IMPRESSIONS).where(IMPRESSIONS.c.recommendation_id == recommendation_id)
        with self._engine.connect() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else _of_row(row, row.provenance)

    def between(self, since: int, until: int, limit: int) -> dict[str, Impression]:
        """Return the newest ``limit`` impressions of ``since <= time < until``, by their IDs.

        They come without their provenance, which is most of what is stored of a page.
        """
        time = IMPRESSIONS.c.time
        columns = [column for column in IMPRESSIONS.c if column.name != "provenance"]
        wanted = select(*columns).where(time >= since, time < until)
        newest = wanted.order_by(time.desc(), IMPRESSIONS.c.number.desc()).limit(limit)
        with self._engine.connect() as connection:
            rows = connection.execute(newest)
            return {row.recommendation_id: _of_row(row, None) for row in rows}

    def count_items(self, since: int, user_id: str | None = None) -> Counter[str]:
        """Return how often each item was shown from a moment on, to one user or to everybody.

        A page counts as often as it was shown, from the moment it was shown first.
        """
        columns = (IMPRESSIONS.c["items"], IMPRESSIONS.c.times)
        wanted = select(*columns).where(IMPRESSIONS.c.time >= since)
        if user_id is not None:
            wanted = wanted.where(IMPRESSIONS.c.user_id == user_id)
        counts: Counter[str] = Counter()
        with self._engine.connect() as connection:
            for items, times in connection.execution_options(yield_per=1000).execute(wanted):
                for item_id, _ in items:
                    counts[item_id] += times
        return counts

    def prune(self, now: int, keep_s: int) -> int:
        """Delete impressions older than ``keep_s``, see ``pruning.prune``; return how many."""
        return prune(self._engine, IMPRESSIONS.c.time, now, keep_s)


def attribute(
    connection: Connection, events: Iterable[tuple[Event, str | None]], window_s: int
) -> list[str | None]:
    """Find the recommendation that each event follows.

    Args:
        connection: Of a transaction in which nobody is forgotten.
        events: Events, and the recommendation each names.
        window_s: How long before the event a page may have been shown that is not named.

    Returns:
        The named one, if it showed the item to this user, or to nobody known. Else the last page
        within the window that showed the item to the user; None where there is none.
    """
    asked = list(events)
    if not asked:
        return []
    moments = [event.timestamp for event, _ in asked]
    time, user_id = IMPRESSIONS.c.time, IMPRESSIONS.c.user_id
    near = time.between(min(moments) - window_s, max(moments) + SKEW_S)
    users = {event.user_id for event, _ in asked}
    named = {name for _, name in asked if name is not None}
    columns = (IMPRESSIONS.c[name] for name in ("recommendation_id", "user_id", "time", "items"))
    pages = connection.execute(
        select(*columns).where(
            or_(user_id.in_(users) & near, IMPRESSIONS.c.recommendation_id.in_(named))
        )
    ).all()
    shown = {row[0]: {item_id for item_id, _ in row[3]} for row in pages}
    owner = {row[0]: row[1] for row in pages}
    found: list[str | None] = []
    for event, name in asked:
        if name in shown and event.item_id in shown[name]:
            if owner[name] in (None, event.user_id):
                found.append(name)
                continue
        fitting = [
            (row[2] <= event.timestamp, -abs(event.timestamp - row[2]), row[0])
            for row in pages
            if row[1] == event.user_id
            and event.timestamp - window_s <= row[2] <= event.timestamp + SKEW_S
            and event.item_id in shown[row[0]]
        ]
        found.append(max(fitting)[2] if fitting else None)
    return found


def _of_row(row: Any, provenance: Any) -> Impression:
    items = tuple((item_id, score) for item_id, score in row.items)
    return Impression(
        *(row.user_id, row.time, items, row.model, row.adapter),
        times=row.times,
        arm=row.arm,
        rules=tuple((name, version) for name, version in row.rules or ()),
        draws=tuple(None if each is None else Draw(*each) for each in row.draws or ()),
        provenance=tuple(Provenance(*each) for each in provenance or ()),
        arms=tuple((name, arm) for name, arm in row.arms or ()),
        draft=_to_draft(row.draft),
    )


def _to_draft(kept: Any) -> Draft | None:
    if kept is None:
        return None
    # JSON objects need not keep an order.
    return Draft(kept["experiment"], dict(kept["adapters"]), tuple(kept["arms"]))


def _to_row(name: str, one: Impression) -> dict[str, Any]:
    draws = [None if each is None else list(astuple(each)) for each in one.draws]
    return {
        "recommendation_id": name,
        "user_id": one.user_id,
        "time": one.time,
        "times": one.times,
        "items": [list(item) for item in one.items],
        "model": one.model,
        "adapter": one.adapter,
        "arm": one.arm,
        "rules": [list(each) for each in one.rules] or None,
        "draws": draws or None,
        "provenance": [list(each) for each in one.provenance] or None,
        "arms": [list(each) for each in one.arms] or None,
        "draft": None
        if one.draft is None
        else {**one.draft._asdict(), "adapters": list(one.draft.adapters.items())},
    }
