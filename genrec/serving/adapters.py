"""Adapters of the model that serves: loaded, used and dropped while nothing is at the engine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from genrec.artifacts import read_manifest
from genrec.errors import ArtifactError, EngineUnavailable, GenrecError
from genrec.model.load import ADAPTER_NAME
from genrec.model.lora import UNTIL
from genrec.serving.batching import Batcher
from genrec.serving.errors import Conflict, NotFound, ServiceError, quote
from genrec.serving.loading import AnyRecommender
from genrec.serving.monitoring import describe_fault, log

PROMOTED = "promoted-"
"""What names of promoted adapters begin with; their content hash follows."""
RULED = "ruled-"
"""Likewise of those that stored rules name, such as arms of experiments."""


class Adapters:
    """Adapters below one folder."""

    def __init__(
        self,
        batcher: Batcher,
        folder: Path,
        recommender: Callable[[], AnyRecommender],
        workers: int = 1,
    ) -> None:
        """Take what the adapters belong to.

        Args:
            batcher: Runs what must run alone.
            folder: They lie below it.
            recommender: Returns whom they are of.
            workers: Processes that answer as one gateway.
        """
        self._batcher = batcher
        self._workers = workers
        self._folder = folder
        self._recommender = recommender
        self._until: dict[str, int | None] = {}
        self._held: dict[str, str] = {}
        self._missing: dict[str, GenrecError] = {}
        self._holding = asyncio.Lock()

    @property
    def learned_until(self) -> int | None:
        """Time of the newest event that the adapter in use was made from, in seconds.

        None where it does not say so, as those that no update made: take the run's.
        """
        name = self._recommender().adapter
        return None if name is None else self._until.get(name)

    async def load(self, name: str, path: str) -> None:
        """Load an adapter under a name; it is not in use yet.

        Args:
            name: To call it by.
            path: Relative to the folder of adapters, or absolute below it.

        Raises:
            Conflict: Other workers would not know of it.
            ServiceError: A path outside that folder.
            GenrecError: The adapter cannot be loaded.
        """
        self._check_alone()
        below = self.find(path)
        await self._batcher.exclusive(lambda: self._load(name, below))

    def find(self, path: str) -> Path:
        """Return where an adapter lies.

        Raises:
            ServiceError: Outside the folder of adapters.
        """
        # A request must not reach any other file of the machine.
        folder = Path(os.path.realpath(self._folder))
        below = Path(os.path.realpath(folder / path))
        if not below.is_relative_to(folder):
            raise ServiceError(
                "path_not_allowed",
                f"{quote(path)} is not below the folder of adapters; put the adapter there, or set "
                "GENREC_ADAPTERS_DIR",
            )
        return below

    async def serve(self, path: str | None, content_hash: str | None) -> None:
        """Answer from now on with an adapter that was promoted; no request fails meanwhile.

        Those that were promoted before it are dropped.

        Args:
            path: See ``load``; None: answer as the run was trained.
            content_hash: What the manifest there must say.

        Raises:
            ServiceError: A path outside the folder of adapters.
            GenrecError: The adapter is gone, another one, or cannot be loaded.
        """
        below = None if path is None else self.find(path)
        if below is not None and read_manifest(below).content_hash != content_hash:
            raise ArtifactError(f"{below} is another adapter than the one that was promoted")
        # As it was asked for first: what waits was asked after it.
        await self._batcher.exclusive(lambda: self._swap(below, content_hash), first=True)

    async def hold(self, paths: Collection[str]) -> bool:
        """Have these adapters loaded beside the one in use, and none that was held before.

        One that cannot be loaded is told once in the log, and tried again at the next call.

        Args:
            paths: See ``load``.

        Returns:
            Whether all of them are.

        Raises:
            EngineUnavailable: The model's server does not answer.
        """
        async with self._holding:
            for path in self._held.keys() - set(paths):
                await self._batcher.exclusive(partial(self._let_go, path), first=True)
            missing: dict[str, GenrecError] = {}
            for path in set(paths) - self._held.keys():
                try:
                    await self._batcher.exclusive(partial(self._hold, path), first=True)
                except EngineUnavailable:
                    raise
                except GenrecError as error:
                    missing[path] = error
                    if str(error) != str(self._missing.get(path)):
                        log("adapter_waits", logging.ERROR, path=path, **describe_fault(error))
            self._missing = missing
            return not missing

    def check_held(self, path: str) -> None:
        """Check that an adapter is held.

        Raises:
            GenrecError: Why it could not be loaded.
        """
        if path in self._missing:
            raise self._missing[path]

    def held_as(self, path: str) -> str:
        """Return the name under which an adapter is held; of one that is not, what was given."""
        return self._held.get(path, path)

    def _hold(self, path: str) -> None:
        below = self.find(path)
        name = f"{RULED}{read_manifest(below).content_hash}"
        if name not in self._held.values():
            self._load(name, below)
        self._held[path] = name

    def _let_go(self, path: str) -> None:
        name, recommender = self._held.pop(path), self._recommender()
        if name not in self._held.values() and name != recommender.adapter:
            recommender.drop_adapter(name)

    def _swap(self, below: Path | None, content_hash: str | None) -> None:
        recommender = self._recommender()
        name = ADAPTER_NAME if ADAPTER_NAME in recommender.adapters else None
        if below is not None:
            name = f"{PROMOTED}{content_hash}"
            if name not in recommender.adapters:
                self._load(name, below)
        recommender.use_adapter(name)
        for other in recommender.adapters:
            if other.startswith(PROMOTED) and other != name:
                recommender.drop_adapter(other)

    def _load(self, name: str, below: Path) -> None:
        self._recommender().load_adapter(name, below)
        self._until[name] = read_manifest(below).config.get(UNTIL)

    async def use(self, name: str | None) -> None:
        """Use an adapter, or the base alone, for every later request.

        Raises:
            Conflict: Other workers would not know of it.
            NotFound: It is not loaded.
        """
        self._check_alone()

        def use() -> None:
            if name is not None:
                self._check(name)
            self._recommender().use_adapter(name)

        await self._batcher.exclusive(use)

    async def drop(self, name: str) -> None:
        """Unload an adapter.

        Raises:
            NotFound: It is not loaded.
            Conflict: It is in use, a rule needs it, or other workers would not know of it.
        """
        self._check_alone()

        def drop() -> None:
            self._check(name)
            if name in self._held.values():
                raise Conflict(
                    "adapter_in_use",
                    f"a stored rule answers with adapter {quote(name)}; DELETE that rule first",
                )
            if self._recommender().adapter == name:
                raise Conflict(
                    "adapter_in_use",
                    f"adapter {quote(name)} is in use; POST /v1/adapters/use another one first",
                )
            self._recommender().drop_adapter(name)

        await self._batcher.exclusive(drop)

    def _check_alone(self) -> None:
        if self._workers > 1:
            raise Conflict(
                "several_workers",
                f"{self._workers} workers answer here, and this would reach one of them; POST "
                "/v1/promotions serves an adapter in all",
            )

    def _check(self, name: str) -> None:
        loaded = self._recommender().adapters
        if name not in loaded:
            raise NotFound(
                "unknown_adapter",
                f"no adapter {quote(name)} is loaded (there are: "
                f"{', '.join(sorted(loaded)) or 'none'}); load it with PUT /v1/adapters/NAME",
            )
