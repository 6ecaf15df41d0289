"""Adapters of the model that serves: loaded, used and dropped while nothing is at the engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from genrec.serving.batching import Batcher
from genrec.serving.errors import Conflict, NotFound, ServiceError, quote
from genrec.serving.loading import AnyRecommender


class Adapters:
    """Adapters below one folder."""

    def __init__(
        self, batcher: Batcher, folder: Path, recommender: Callable[[], AnyRecommender]
    ) -> None:
        """Take who runs what must run alone, the folder, and whom the adapters are of."""
        self._batcher = batcher
        self._folder = folder
        self._recommender = recommender

    async def load(self, name: str, path: str) -> None:
        """Load an adapter under a name; it is not in use yet.

        Args:
            name: To call it by.
            path: Relative to the folder of adapters, or absolute below it.

        Raises:
            ServiceError: A path outside that folder.
            GenrecError: The adapter cannot be loaded.
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
        await self._batcher.exclusive(lambda: self._recommender().load_adapter(name, below))

    async def use(self, name: str | None) -> None:
        """Use an adapter, or the base alone, for every later request.

        Raises:
            NotFound: It is not loaded.
        """

        def use() -> None:
            if name is not None:
                self._check(name)
            self._recommender().use_adapter(name)

        await self._batcher.exclusive(use)

    async def drop(self, name: str) -> None:
        """Unload an adapter.

        Raises:
            NotFound: It is not loaded.
            Conflict: It is in use.
        """

        def drop() -> None:
            self._check(name)
            if self._recommender().adapter == name:
                raise Conflict(
                    "adapter_in_use",
                    f"adapter {quote(name)} is in use; POST /v1/adapters/use another one first",
                )
            self._recommender().drop_adapter(name)

        await self._batcher.exclusive(drop)

    def _check(self, name: str) -> None:
        loaded = self._recommender().adapters
        if name not in loaded:
            raise NotFound(
                "unknown_adapter",
                f"no adapter {quote(name)} is loaded (there are: "
                f"{', '.join(sorted(loaded)) or 'none'}); load it with PUT /v1/adapters/NAME",
            )
