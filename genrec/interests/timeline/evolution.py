"""How a user's interests evolve, as the model sees it: a distribution before and after every event.

At the place where an event's item is about to be written the model states the probability of every
coarse code given everything before: one pass over a history yields them all. What is measured of
the events themselves, trend and evidence, comes from ``genrec.semantic_ids``; the model tells how
much it expects of each interest at each moment, and what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.display import HtmlRepr, ShortRepr, Table, day
from genrec.engines.base import Engine
from genrec.errors import DecodeError
from genrec.interests.profile.interests import find_interests
from genrec.interests.timeline.births import Birth, find_births
from genrec.interests.timeline.forecast import Forecaster, calibrated
from genrec.interests.timeline.plot import plot_forecast, plot_interests
from genrec.interests.timeline.windows import Window, cut_windows
from genrec.schema import Event, Interest, Request, SemanticId
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.encode import Encoder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 10
"""Interests that a notebook shows."""


@dataclass(frozen=True, repr=False)
class Evolution(ShortRepr, HtmlRepr):
    """The interests of one history over time.

    Attributes:
        user_id: Whose.
        events: Those whose item the table knows, oldest first; n of them.
        prefixes: The interests, one a column: all in use below a prefix of the question.
        names: Their words.
        expected: What the model expected before each event, and expects now: row i is before
            event i and after event i - 1. Shape: (n + 1, K).
        met: Column of each event's interest; -1 where it lies elsewhere. Shape: (n,), int64.
        forecast: Shares of the interests in the next window; None below a prefix. Shape: (K,).
        interests: What the events support, strongest first.
    """

    user_id: str
    events: tuple[Event, ...]
    prefixes: tuple[SemanticId, ...]
    names: tuple[str, ...]
    expected: np.ndarray
    met: np.ndarray
    forecast: np.ndarray | None
    interests: tuple[Interest, ...]

    @property
    def timestamps(self) -> tuple[int, ...]:
        """Seconds of each event."""
        return tuple(event.timestamp for event in self.events)

    @property
    def next_shares(self) -> np.ndarray:
        """Shares in the next window; without a forecast what the next event may be. Shape: (K,)."""
        return self.expected[-1] if self.forecast is None else self.forecast

    def weights(self, prefix: SemanticId) -> np.ndarray:
        """Return an interest's weight right after each event. Shape: (n,)."""
        column = self.prefixes.index(tuple(prefix))
        weights: np.ndarray = self.expected[1:, column]
        return weights

    def windows(self, seconds: int | None = None) -> list[Window]:
        """Cut the history by time; see ``windows.cut_windows``."""
        return cut_windows(self.timestamps, self.expected[1:], seconds)

    def next_event(self, top: int) -> list[tuple[str, float]]:
        """Return the likeliest interests of the next event with their probabilities."""
        return self._largest(self.expected[-1], top)

    def next_window(self, top: int) -> list[tuple[str, float]]:
        """Return the interests predicted in the next window with their shares, largest first."""
        return self._largest(self.next_shares, top)

    def _largest(self, shares: np.ndarray, top: int) -> list[tuple[str, float]]:
        best = np.argsort(-shares, kind="stable")[:top]
        return [(self.names[column], float(shares[column])) for column in best]

    def to_json(
        self, top: int = 10, hides: Callable[[str], bool] = lambda name: False
    ) -> dict[str, Any]:
        """Return what JSON can hold: the series of interests that events support, and the rest.

        Args:
            top: Interests of the forecast.
            hides: Whether an interest, by its name, is not to be spoken of.
        """
        named = {
            prefix: name
            for prefix, name in zip(self.prefixes, self.names, strict=True)
            if not hides(name)
        }
        shown = [one.prefix for one in self.interests if one.prefix in named]
        forecast = [
            (name, share) for name, share in self.next_window(len(self.names)) if not hides(name)
        ]
        return {
            "timestamps": list(self.timestamps),
            "series": [
                {"name": named[prefix], "weights": self.weights(prefix).round(6).tolist()}
                for prefix in shown
            ],
            "births": [
                {
                    "name": birth.name,
                    "event": birth.place + 1,
                    "timestamp": self.timestamps[birth.place],
                    "known_after_event": birth.known + 1,
                }
                for birth in self.births
                if birth.prefix in named
            ],
            "windows": [
                {
                    "start": window.start,
                    "end": window.end,
                    "events": window.num_events,
                    "drift": round(window.drift, 6),
                    "is_change": window.is_change,
                }
                for window in self.windows()
            ],
            "forecast": [
                {"name": name, "share": round(share, 6)} for name, share in forecast[:top]
            ],
        }

    @property
    def births(self) -> list[Birth]:
        """The interests that began, in the order of their first events."""
        return find_births(self.met, self.expected, self.prefixes, self.names)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the interests as a stream: width is what the model expects of each over time.

        Args:
            ax: Where to draw; None: a new figure.

        Returns:
            The axes.

        Raises:
            ConfigError: Fewer than two events, or matplotlib is not installed.
        """
        return plot_interests(self, ax)

    def plot_forecast(self, ax: Axes | None = None) -> Axes:
        """Draw the shares predicted in the next window, in the colours of ``plot`` and like it."""
        return plot_forecast(self, ax)

    def _shown(self) -> Iterator[str | Table]:
        now, then = self.expected[-1], self.next_shares
        best = np.argsort(-(now + then), kind="stable")[:SHOWN].tolist()
        began = {birth.prefix: day(self.timestamps[birth.place]) for birth in self.births}
        rows = (
            (
                self.names[column],
                int((self.met == column).sum()),
                began.get(self.prefixes[column], ""),
                f"{now[column]:.0%}",
                f"{then[column]:.0%}",
            )
            for column in best
        )
        header = ("interest", "events", "began", "next event", "next window")
        yield Table(header, rows, f"Interests of {self.user_id} over {len(self.events)} events")


def evolve(
    requests: Sequence[Request],
    engine: Engine,
    encoder: Encoder,
    forecaster: Forecaster | None = None,
    prefix: SemanticId = (),
) -> list[Evolution]:
    """Follow the interests of histories.

    Args:
        requests: Histories with the moment up to which each is told, and the act to predict.
        engine: Runs the model.
        encoder: Histories to prompts.
        forecaster: Foresees the next window; None: what the model expects of the next event.
        prefix: Look at the finer interests below this one; none: at the coarse ones.

    Raises:
        DataError: A history is not in the order of time.
        DecodeError: No item has the prefix, or it is a whole semantic ID.
    """
    table = encoder.renderer.table
    depth = len(prefix) + 1
    if depth > table.num_levels:
        raise DecodeError(f"{tuple(prefix)} is a whole semantic ID; give a prefix of one")
    below = (table.codes[:, : depth - 1] == np.array(prefix, dtype=int)).all(axis=1)
    codes: np.ndarray = np.unique(table.codes[below, depth - 1])
    prefixes = tuple((*prefix, int(code)) for code in codes)
    column_of = {one: column for column, one in enumerate(prefixes)}
    known = [_known(request, table) for request in requests]
    moments = [encoder.moments(request) for request in known]
    owners = [
        request.history.user_id
        for request, several in zip(known, moments, strict=True)
        for _ in several
    ]
    asked = [prompt for several in moments for prompt in several]
    found = engine.code_log_probs(asked, prefix, owners)
    expected = calibrated(found[:, codes], forecaster)
    evolutions, start = [], 0
    for request, prompts in zip(known, moments, strict=True):
        history = request.history
        paths = [table.codes_of(event.item_id) for event in history.events]
        evolutions.append(
            Evolution(
                user_id=history.user_id,
                events=history.events,
                prefixes=prefixes,
                names=tuple(table.name_of(one) for one in prefixes),
                expected=expected[start : start + len(prompts)],
                met=np.array([column_of.get(path[:depth], -1) for path in paths], dtype=np.int64),
                forecast=None,
                interests=tuple(
                    find_interests(history, table, max_interests=max(1, len(history.events)))
                ),
            )
        )
        start += len(prompts)
    if prefix:
        return evolutions
    return _with_forecasts(evolutions, table.codebook_size, codes, forecaster)


def _with_forecasts(
    evolutions: Sequence[Evolution],
    num_codes: int,
    codes: np.ndarray,
    forecaster: Forecaster | None,
) -> list[Evolution]:
    now = np.zeros((len(evolutions), num_codes))
    now[:, codes] = np.stack([one.expected[-1] for one in evolutions]) if evolutions else 0
    if forecaster is not None and evolutions:
        now = forecaster.predict([codes[one.met] for one in evolutions], now)
    return [
        replace(one, forecast=shares) for one, shares in zip(evolutions, now[:, codes], strict=True)
    ]


def _known(request: Request, table: SemanticIdTable) -> Request:
    """Leave out events of items that have no semantic ID."""
    events = tuple(event for event in request.history.events if table.knows(event.item_id))
    return replace(request, history=replace(request.history, events=events, searches=()))
