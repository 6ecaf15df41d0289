"""A gateway in a thread of this process, which lives by a clock of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import uvicorn

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings


class Clock:
    """Tells the latest moment that it has reached, in seconds."""

    def __init__(self, now: int) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the moment."""
        return float(self._now)

    def reach(self, moment: int) -> None:
        """Go on to a moment; a clock never goes back."""
        self._now = max(self._now, moment)


@contextmanager
def serving(settings: Settings, clock: Clock) -> Iterator[str]:
    """Serve on a free loopback port; yield the URL.

    Raises:
        GenrecError: The run or the store cannot be used.
    """
    config = uvicorn.Config(
        create_app(settings, clock),
        host="127.0.0.1",
        port=0,
        lifespan="off",
        access_log=False,
        log_config=None,
    )
    server = uvicorn.Server(config)
    service = config.app.state.service  # type: ignore[union-attr]
    listens = Event()
    urls: list[str] = []

    async def run() -> None:
        await service.start()
        try:
            socket = config.bind_socket()
            socket.listen(config.backlog)
            urls.append("http://{}:{}".format(*socket.getsockname()[:2]))
            listens.set()
            await server.serve([socket])
        finally:
            await service.stop()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, run())
        running.add_done_callback(lambda _: listens.set())
        listens.wait()
        try:
            if urls:
                yield urls[0]
        finally:
            server.should_exit = True
            running.result()
