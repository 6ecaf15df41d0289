"""How HTTP is served: uvicorn's settings, and connections that end without a failed request."""

from __future__ import annotations

import random
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from genrec.serving.settings import Settings

LINGER_S = 0.5
"""How long a server that ends still answers on connections that were idle when it was told to."""
MOVED_SHARE = 1 / 32
"""Of the answers, after which a client of several workers is told to connect anew."""
_CLOSE = (b"connection", b"close")


def server_config(app: Any, settings: Settings, **options: Any) -> uvicorn.Config:
    """Return how uvicorn serves an application.

    Args:
        app: An ASGI application, or with ``factory`` what returns one.
        settings: Of the gateway.
        options: Further ones of ``uvicorn.Config``.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=DrainingProtocol,
        access_log=False,
        log_config=None,
        server_header=False,
        **options,
    )


class DrainingProtocol(HttpToolsProtocol):
    """A connection whose end a client is told of before it comes.

    uvicorn closes idle connections as soon as it is told to end, and loses requests that are on
    their way. Here every answer from then on says ``Connection: close``, and who is idle may ask
    once more for a moment.

    Workers accept from one socket, and whoever wakes first takes a connection: of 16 that are kept
    open one of two workers was seen to take 15, and the other was idle. So one ends now and then,
    by chance and by the same means, and whoever has time accepts the next.
    """

    def on_headers_complete(self) -> None:
        """Begin a request, when its head was read."""
        super().on_headers_complete()
        if self.config.workers > 1 and self.cycle and random.random() < MOVED_SHARE:
            self.cycle.default_headers = [*self.cycle.default_headers, _CLOSE]

    def shutdown(self) -> None:
        """Begin the end, when the server is told to."""
        headers = self.server_state.default_headers
        if _CLOSE not in headers:
            headers.append(_CLOSE)
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_S, super().shutdown)
        else:
            # Its list may be that of the second before.
            self.cycle.default_headers = headers
            super().shutdown()
