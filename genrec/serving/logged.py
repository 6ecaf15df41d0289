"""What gateways showed under an exploration quota, as a log that can judge another model.

Enters: impressions and events of a store, and the model to judge. Leaves: a table for
``genrec.experiments.evaluate_policy``, one row for each shown item. The policy that is judged is
the other model's ranking under the same quota, asked with what was known of the user then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from genrec.base_recommender import BaseRecommender
from genrec.errors import DataError
from genrec.experiments import propensities
from genrec.feedback import is_evidence
from genrec.schema import Draw, Request
from genrec.serving.errors import NotFound
from genrec.serving.histories import Histories
from genrec.serving.store import EventStore, Impression, ImpressionStore

DAY_S = 86_400
PAGES_AT_ONCE = 64
MAX_PAGES = 100_000


def logged_pages(
    impressions: ImpressionStore, since: int, until: int
) -> dict[str, tuple[Impression, tuple[Draw, ...]]]:
    """Return the pages of known users at whose every rank chance might have chosen, by their IDs.

    Args:
        impressions: Of a store.
        since: Start, seconds.
        until: End (not included), seconds.

    Raises:
        DataError: There is none.
    """
    found = {}
    for name, page in impressions.between(since, until, MAX_PAGES).items():
        draws = tuple(draw for draw in page.draws if draw is not None)
        if page.user_id is not None and len(draws) == len(page.items):
            found[name] = (page, draws)
    if not found:
        raise DataError(
            "no page of a known user was shown under an exploration quota in this time; turn one "
            'on with a rule that always holds, such as {"explore": 0.1}, and wait for pages'
        )
    return found


def judged_log(
    pages: Mapping[str, tuple[Impression, tuple[Draw, ...]]],
    events: EventStore,
    target: BaseRecommender,
    histories: Histories,
    follow_s: int,
) -> pa.Table:
    """Return the log of some pages, beside how likely another model would have shown the same.

    Users who were forgotten since are left out. The model is asked without the filters, the query
    and the ``at`` of the time, which are not kept: judge pages that had none.

    Args:
        pages: See ``logged_pages``.
        events: What followed them.
        target: The model to judge.
        histories: What is known of users.
        follow_s: How long after a page an event may follow it, seconds.
    """
    times = [page.time for page, _ in pages.values()]
    clicked = {
        (stored.recommendation_id, stored.event.item_id)
        for stored in events.between(min(times), max(times) + follow_s + 1)
        if is_evidence(stored.event.event_type)
    }
    rows = []
    for name, ranking in _rankings(pages, target, histories):
        page, draws = pages[name]
        shown = [item_id for item_id, _ in page.items]
        chances = propensities(shown, ranking[: draws[0].candidates], draws[0].rate)
        rows += [
            {
                "recommendation_id": name,
                "user_id": page.user_id,
                "item_id": item_id,
                "rank": rank,
                "arm": page.arm,
                "reward": int((name, item_id) in clicked),
                "propensity": draw.propensity,
                "target_propensity": chance,
            }
            for rank, (item_id, draw, chance) in enumerate(
                zip(shown, draws, chances, strict=True), start=1
            )
        ]
    return pa.Table.from_pylist(rows)


def _rankings(
    pages: Mapping[str, tuple[Impression, tuple[Draw, ...]]],
    target: BaseRecommender,
    histories: Histories,
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield pages with the items that the model would have ranked for them, best first."""
    names = list(pages)
    for start in range(0, len(names), PAGES_AT_ONCE):
        asked: dict[str, Request] = {}
        for name in names[start : start + PAGES_AT_ONCE]:
            page, _ = pages[name]
            assert page.user_id is not None
            try:
                live = histories.read(page.user_id).what_if((), page.time)
            except NotFound:
                continue
            # At the moment of the last event, as a gateway asks that is told none.
            request = Request(live.history, exclude=live.older_items)
            asked[name] = target.heed(request)
        most = max((draw.candidates for name in asked for draw in pages[name][1]), default=1)
        ranked = target.rank_many(list(asked.values()), most)
        for name, items in zip(asked, ranked, strict=True):
            yield name, [item.item_id for item in items]
