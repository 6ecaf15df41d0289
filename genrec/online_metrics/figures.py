"""The figures of one window of time."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from genrec.feedback import is_evidence
from genrec.online_metrics.drift import Drift, code_drift, score_drift
from genrec.online_metrics.examination import examination
from genrec.online_metrics.pages import Act, Page, Training

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class RankFigures:
    """What happened at one rank.

    Attributes:
        rank: From 1.
        shown: Pages that had an item there.
        clicks: Of these, how many items an event followed.
        conversions: Of these, how many items an event followed that counts as a conversion.
        examination: How often it is looked at, as a share of the first rank; None: nothing tells.
    """

    rank: int
    shown: int
    clicks: int
    conversions: int
    examination: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Items that were shown with about the same probability.

    Attributes:
        predicted: Their mean probability of being the next event's.
        observed: Share of them that were.
        shown: How many.
    """

    predicted: float
    observed: float
    shown: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What users made of what they were shown; None: nothing to tell it from.

    Attributes:
        since: Start of the window, seconds; pages before it do not count.
        until: Its end.
        pages: Different pages shown.
        users: Different users known who saw them.
        ranks: By rank.
        click_through: Share of shown items that an event followed.
        corrected_click_through: What ``click_through`` would be if every rank were looked at as
            often as the first one; of ranks whose examination is known.
        conversion: Share of shown items that an event followed which counts as a conversion.
        page_click_through: Share of pages with a click.
        next_events: Pages after which the same user did something, before the next page.
        next_event_hit_rate: Share of these where the first thing done was with an item shown.
        coverage: Share of the catalogue shown.
        gini: Of how often each item of the catalogue was shown: 0 all alike, near 1 few alone.
        novelty_bits: Mean over shown items of -log2 of its share of the training's events.
        new_item_share: Share of shown items that had no event in training.
        repeat_rate: Share of items shown to a known user who had been shown it in the window.
        calibration: Shown probabilities against what came next.
        calibration_error: Mean distance of the two, by items shown.
        code_drift: Of the events' first codes, against training.
        score_drift: Of the scores, against those before the window.
        model_age_s: From the newest event of training to the end of the window.
    """

    since: int
    until: int
    pages: int
    users: int
    ranks: tuple[RankFigures, ...]
    click_through: float | None
    corrected_click_through: float | None
    conversion: float | None
    page_click_through: float | None
    next_events: int
    next_event_hit_rate: float | None
    coverage: float | None
    gini: float | None
    novelty_bits: float | None
    new_item_share: float | None
    repeat_rate: float | None
    calibration: tuple[Bin, ...]
    calibration_error: float | None
    code_drift: Drift | None
    score_drift: Drift | None
    model_age_s: int | None


def measure(
    window: tuple[int, int],
    pages: Sequence[Page],
    acts: Sequence[Act],
    training: Training,
    conversions: Collection[str],
    earlier_scores: Iterable[float] = (),
    follow_s: int = 86_400,
) -> Figures:
    """Return the figures of a window.

    Args:
        window: Start and end (not included), seconds.
        pages: Shown within it, in any order, each once.
        acts: Events that may follow one of the pages, in any order: later ones too. Those against
            their items are passed over, as in training.
        training: What the model learned from.
        conversions: Types of events that count as a conversion.
        earlier_scores: Of items shown before the window.
        follow_s: How long after a page something may be done next.
    """
    since, until = window
    acts = [act for act in acts if is_evidence(act.event_type)]
    ordered = sorted(pages, key=lambda page: (page.time, page.recommendation_id))
    clicked, converted = _followed(ordered, acts, conversions)
    ranks = _by_rank(ordered, clicked, converted)
    ranks = tuple(
        replace(one, examination=share)
        for one, share in zip_longest(ranks, examination(ordered, clicked))
    )
    seen = [one for one in ranks if one.examination]
    shown = sum(one.shown for one in ranks)
    exposures = Counter(item_id for page in ordered for item_id, _ in page.items)
    nexts = _next_items(ordered, acts, follow_s)
    hits = [item_id in dict(page.items) for page, item_id in nexts]
    bins = _calibrate(nexts)
    scores = np.array([score for page in ordered for _, score in page.items])
    now = Counter(
        training.code_of[act.item_id]
        for act in acts
        if since <= act.time < until and act.item_id in training.code_of
    )
    learned: Counter[int] = Counter()
    for item_id, count in training.events_of.items():
        if item_id in training.code_of:
            learned[training.code_of[item_id]] += count
    return Figures(
        since=since,
        until=until,
        pages=len(ordered),
        users=len({page.user_id for page in ordered} - {None}),
        ranks=ranks,
        click_through=_share(sum(one.clicks for one in ranks), shown),
        corrected_click_through=_share(
            sum(one.clicks / (one.examination or 1.0) for one in seen),
            sum(one.shown for one in seen),
        ),
        conversion=_share(sum(one.conversions for one in ranks), shown),
        page_click_through=_share(len({place for place, _ in clicked}), len(ordered)),
        next_events=len(nexts),
        next_event_hit_rate=_share(sum(hits), len(hits)),
        coverage=_share(len(exposures.keys() & training.code_of), len(training.code_of))
        if ordered
        else None,
        gini=gini([exposures.get(item_id, 0) for item_id in training.code_of]),
        novelty_bits=_novelty(exposures, training.events_of),
        new_item_share=_share(
            sum(n for item_id, n in exposures.items() if not training.events_of.get(item_id)),
            shown if training.events_of else 0,
        ),
        repeat_rate=_repeats(ordered),
        calibration=bins,
        calibration_error=_share(
            sum(abs(one.predicted - one.observed) * one.shown for one in bins),
            sum(one.shown for one in bins),
        ),
        code_drift=code_drift(learned, now),
        score_drift=score_drift(np.array(list(earlier_scores)), scores),
        model_age_s=None if training.until is None else max(0, until - training.until),
    )


def gini(counts: Sequence[int]) -> float | None:
    """Return how unequal counts are.

    Args:
        counts: Of every item, those never shown included.

    Returns:
        0 where all are equal, (n - 1) / n where one has everything; None where all are 0.

    Source:
        Adomavicius and Kwon, Improving aggregate recommendation diversity, TKDE 2012.

    Examples:
        >>> gini([0, 0, 0, 4]), gini([1, 1])
        (0.75, 0.0)
    """
    ordered = np.sort(np.asarray(counts, dtype=float))
    total = ordered.sum() if len(ordered) else 0.0
    if not total:
        return None
    n = len(ordered)
    return float(((2 * np.arange(1, n + 1) - n - 1) @ ordered) / (n * total))


Place = tuple[int, int]
"""Of a shown item: its page's place among the pages, and its own on the page."""


def _followed(
    pages: Sequence[Page], acts: Iterable[Act], conversions: Collection[str]
) -> tuple[set[Place], set[Place]]:
    """Return the shown items that an event followed, and those that a conversion did."""
    number = {page.recommendation_id: place for place, page in enumerate(pages)}
    clicked: set[Place] = set()
    converted: set[Place] = set()
    for act in acts:
        place = number.get(act.recommendation_id or "")
        if place is None:
            continue
        for rank, (item_id, _) in enumerate(pages[place].items):
            if item_id == act.item_id:
                clicked.add((place, rank))
                if act.event_type in conversions:
                    converted.add((place, rank))
    return clicked, converted


def _by_rank(
    pages: Sequence[Page], clicked: Iterable[Place], converted: Iterable[Place]
) -> tuple[RankFigures, ...]:
    lengths = Counter(len(page.items) for page in pages)
    clicks = Counter(rank for _, rank in clicked)
    conversions = Counter(rank for _, rank in converted)
    return tuple(
        RankFigures(
            rank + 1,
            sum(count for length, count in lengths.items() if length > rank),
            clicks[rank],
            conversions[rank],
        )
        for rank in range(max(lengths, default=0))
    )


def _next_items(
    pages: Sequence[Page], acts: Iterable[Act], follow_s: int
) -> list[tuple[Page, str]]:
    """Return each page with the first item its user turned to before the next page."""
    times: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for act in acts:
        times[act.user_id].append((act.time, act.item_id))
    for done in times.values():
        done.sort(key=lambda one: one[0])
    ends: dict[str, int] = {}
    found = []
    for page in reversed(pages):
        if page.user_id is None:
            continue
        done = times[page.user_id]
        first = bisect_left(done, page.time, key=lambda one: one[0])
        end = min(ends.get(page.user_id, page.time + follow_s), page.time + follow_s)
        if first < len(done) and done[first][0] < end:
            found.append((page, done[first][1]))
        ends[page.user_id] = page.time
    return found


def _novelty(exposures: Mapping[str, int], events_of: Mapping[str, int]) -> float | None:
    """Return the mean self-information of shown items; one event more is granted to each."""
    if not events_of:
        return None
    total = sum(events_of.values()) + len(events_of.keys() | exposures.keys())
    shown = sum(exposures.values())
    bits = sum(
        count * -math.log2((events_of.get(item_id, 0) + 1) / total)
        for item_id, count in exposures.items()
    )
    return bits / shown if shown else None


def _repeats(pages: Iterable[Page]) -> float | None:
    seen: dict[str, set[str]] = defaultdict(set)
    again = shown = 0
    for page in pages:
        if page.user_id is not None:
            items = {item_id for item_id, _ in page.items}
            again += len(items & seen[page.user_id])
            shown += len(items)
            seen[page.user_id] |= items
    return _share(again, shown)


def _calibrate(nexts: Iterable[tuple[Page, str]]) -> tuple[Bin, ...]:
    """Sort shown items by their probability into bins of like size."""
    pairs = [
        (math.exp(min(score, 0.0)), item_id == following)
        for page, following in nexts
        for item_id, score in page.items
    ]
    if not pairs:
        return ()
    table = np.array(sorted(pairs, key=lambda pair: pair[0]), dtype=float)
    parts = np.array_split(table, min(CALIBRATION_BINS, len(table)))
    return tuple(
        Bin(float(part[:, 0].mean()), float(part[:, 1].mean()), len(part)) for part in parts
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
