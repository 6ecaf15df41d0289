"""How HTTP is served: uvicorn's settings, and connections that end without a failed request."""

from __future__ import annotations

from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from genrec.serving.settings import Settings

LINGER_S = 0.5
"""How long a server that ends still answers on connections that were idle when it was told to."""
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
    """

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
