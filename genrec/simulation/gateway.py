"""A gateway in a thread of this process, which lives by a clock of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs.

    Attributes:
        url: Where it listens.
        catch_up: Lets it do at once what it would do within a second: count events, follow the
            log. So equal days end equally, however fast the machine is.
    """

    url: str
    catch_up: Callable[[], None]


@contextmanager
def serving(settings: Settings, clock: Clock) -> Iterator[Gateway]:
    """Serve on a free loopback port.

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
    started: list[Gateway] = []

    async def run() -> None:
        await service.start()
        loop = asyncio.get_running_loop()

        def catch_up() -> None:
            asyncio.run_coroutine_threadsafe(service.catch_up(), loop).result()

        try:
            socket = config.bind_socket()
            socket.listen(config.backlog)
            url = "http://{}:{}".format(*socket.getsockname()[:2])
            started.append(Gateway(url, catch_up))
            listens.set()
            await server.serve([socket])
        finally:
            await service.stop()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, run())
        running.add_done_callback(lambda _: listens.set())
        listens.wait()
        try:
            if started:
                yield started[0]
        finally:
            server.should_exit = True
            running.result()
