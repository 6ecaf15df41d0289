"""What shows pages to the users: a gateway over HTTP, or a Markov chain counted anew each day."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import numpy as np

from genrec.baselines.markov import Markov
from genrec.data.dataset import Dataset
from genrec.errors import DataError, EngineUnavailable
from genrec.model.transition_counts import count_transitions
from genrec.schema import Event, History, Request

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Shown:
    """A page.

    Attributes:
        items: Their IDs, by rank.
        recommendation_id: Of the gateway; None: of another arm.
    """

    items: tuple[str, ...]
    recommendation_id: str | None = None


class Arm(Protocol):
    """One of the recommenders that are compared; each has users of its own."""

    @property
    def name(self) -> str:
        """What it is called in the results."""

    def begin(self, day: int) -> None:
        """Get ready for a day; 0 is the first one."""

    def show(self, user_id: str, at: int, k: int) -> Shown:
        """Return the page for a user at a moment, in seconds."""

    def tell(self, clicks: Sequence[Event], others: Sequence[Event], shown: Shown) -> None:
        """Take note of what a user did after a page: clicks on it, and what else."""

    def end(self, day: int, now: int) -> None:
        """Do what is done when a day, at a moment in seconds, is over."""


class GatewayArm:
    """A gateway, asked as any client asks it."""

    def __init__(
        self,
        name: str,
        url: str,
        reach: Callable[[int], object] = lambda moment: None,
        key: str | None = None,
        command: str | None = None,
        environment: Mapping[str, str] | None = None,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where it listens.

        Args:
            name: See ``Arm``.
            url: Of the gateway.
            reach: Told each moment, in seconds, before the gateway is asked at it.
            key: Of its API; None: it needs none.
            command: Run by the shell after each day; None: nothing.
            environment: Variables for the command, beside those of this process.
            catch_up: Lets the gateway take in, before a day, all that came.
        """
        self.name = name
        self._url = url
        self._reach = reach
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S)
        self._command = command
        self._environment = dict(environment or {})
        self._catch_up = catch_up

    def begin(self, day: int) -> None:
        """See ``Arm``."""
        self._catch_up()

    def show(self, user_id: str, at: int, k: int) -> Shown:
        """See ``Arm``.

        Raises:
            EngineUnavailable: The gateway does not answer.
            DataError: It refuses: the toy world is not the one it knows.
        """
        self._reach(at)
        answer = self._post("/v1/recommend", {"user_id": user_id, "k": k, "at": at})
        items = tuple(item["item_id"] for item in answer["items"])
        return Shown(items, answer["recommendation_id"])

    def tell(self, clicks: Sequence[Event], others: Sequence[Event], shown: Shown) -> None:
        """See ``Arm``.

        Raises:
            EngineUnavailable: The gateway does not answer.
            DataError: It refuses.
        """
        rows = [
            {
                "user_id": event.user_id,
                "item_id": event.item_id,
                "timestamp": event.timestamp,
                "event_type": event.event_type,
                "recommendation_id": followed,
            }
            for events, followed in ((clicks, shown.recommendation_id), (others, None))
            for event in events
        ]
        if rows:
            self._reach(max(event.timestamp for event in (*clicks, *others)))
            self._post("/v1/events", {"events": rows})

    def end(self, day: int, now: int) -> None:
        """Run the command of this arm.

        Raises:
            DataError: It failed.
        """
        self._reach(now)
        if self._command is None:
            return
        known = {"GENREC_URL": self._url, "GENREC_DAY": str(day), "GENREC_NOW": str(now)}
        environment = {**os.environ, **self._environment, **known}
        done = subprocess.run(self._command, shell=True, env=environment)
        if done.returncode:
            raise DataError(
                f"the command of arm {self.name} ended with code {done.returncode} after day "
                f"{day + 1}: {self._command}"
            )

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            answer = self._http.post(path, json=body)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise EngineUnavailable(
                f"arm {self.name}: {self._url} does not answer ({error}); is a gateway running "
                "there?"
            ) from None
        if answer.status_code != httpx.codes.OK:
            raise DataError(f"arm {self.name}: {self._url}{path} answered {answer.text}")
        return answer.json()


class MarkovArm:
    """Transitions counted anew each morning, from the prepared data and all that was told."""

    def __init__(self, name: str, data: Dataset) -> None:
        self.name = name
        self._data = data
        self._histories = {one.user_id: list(one.events) for one in data.histories("test")}
        self._ranker: Markov | None = None

    def begin(self, day: int) -> None:
        """Count."""
        row = self._data.item_index
        rows = [
            [row[event.item_id] for event in events if event.item_id in row]
            for events in self._histories.values()
        ]
        counts = np.bincount([place for places in rows for place in places], minlength=len(row))
        self._ranker = Markov(self._data.items, counts, count_transitions(rows, len(row)))

    def show(self, user_id: str, at: int, k: int) -> Shown:
        """See ``Arm``."""
        assert self._ranker is not None, "a day has begun"
        history = History(user_id, tuple(self._histories.get(user_id, ())))
        (ranked,) = self._ranker.rank_many([Request(history, at)], k)
        return Shown(tuple(item.item_id for item in ranked))

    def tell(self, clicks: Sequence[Event], others: Sequence[Event], shown: Shown) -> None:
        """See ``Arm``."""
        for event in (*clicks, *others):
            self._histories.setdefault(event.user_id, []).append(event)

    def end(self, day: int, now: int) -> None:
        """See ``Arm``; what was told is counted in the morning."""
