"""What the run serves: promoted and rolled back on every gateway at once, by the change log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from genrec.artifacts import read_manifest
from genrec.errors import EngineUnavailable, GenrecError
from genrec.serving.adapters import Adapters
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import Entry, Journal


@dataclass(frozen=True)
class Serving:
    """What is in force, and whether this gateway could follow.

    Attributes:
        entry: The decision in force; None: none was ever made.
        fault: Why this gateway still serves what it did before; None: it follows.
    """

    entry: Entry | None
    fault: str | None = None


class Promotions:
    """Follows the log of one run's promotions, and adds to it."""

    def __init__(self, journal: Journal, adapters: Adapters, run: Callable[[], str]) -> None:
        """Take the decisions, what carries them out, and the content hash of the run."""
        self._journal = journal
        self._adapters = adapters
        self._run = run
        self._turn = asyncio.Lock()
        self._position = 0
        self._served: int | None = None
        self._fault: tuple[int | None, str] | None = None

    @property
    def position(self) -> int:
        """Number of the last change of the log that is done here."""
        return self._position

    async def catch_up(self) -> None:
        """Serve what the log says.

        An adapter that has gone or is damaged leaves in place what is served, is told once, and
        tried again at every look.

        Raises:
            EngineUnavailable: The model's server does not answer.
        """
        async with self._turn:
            await self._catch_up()

    async def promote(self, path: str, who: str, reason: str) -> Entry:
        """Serve an adapter on every gateway of this store that serves the same run.

        Args:
            path: Relative to the folder of adapters, or absolute below it.
            who: Who decided.
            reason: Why.

        Raises:
            ServiceError: A path outside that folder.
            GenrecError: The adapter cannot be loaded: nothing is promoted then.
        """
        below = self._adapters.find(path)
        content_hash = read_manifest(below).content_hash
        async with self._turn:
            await self._adapters.serve(path, content_hash)
        entry = Entry(self._run(), who, "promoted", reason, path, content_hash)
        done: Entry = await run_sync(self._journal.promote, entry)
        await self.catch_up()
        return done

    async def roll_back(self, who: str) -> Entry:
        """Serve on every gateway what was served before the last promotion.

        Raises:
            Conflict: There was none.
        """
        done: Entry = await run_sync(self._journal.roll_back, self._run(), who)
        await self.catch_up()
        return done

    async def entries(self, limit: int) -> list[Entry]:
        """Return the newest decisions, newest first."""
        return await run_sync(self._journal.entries, self._run(), limit)

    async def serving(self) -> Serving:
        """Return the decision in force, and whether this gateway follows it."""
        entry = await run_sync(self._journal.in_force, self._run())
        return Serving(entry, None if self._fault is None else self._fault[1])

    async def _catch_up(self) -> None:
        head = await run_sync(self._journal.head)
        entry = await run_sync(self._journal.in_force, self._run())
        if entry is not None and entry.change != self._served:
            try:
                await self._adapters.serve(entry.path, entry.content_hash)
            except EngineUnavailable:
                raise
            except GenrecError as error:
                fault = (entry.change, str(error))
                if fault != self._fault:
                    log("promotion_waits", logging.ERROR, **describe_fault(error))
                self._fault = fault
                return
            self._served = entry.change
            log("promoted", path=entry.path, decision=entry.decision)
        self._fault = None
        self._position = head
