"""A gateway as a client sees it: JSON over HTTP, with the caller's key. Knows nothing of MCP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from genrec.errors import ConfigError, GenrecError

TIMEOUT_S = 60.0


class GatewayError(GenrecError):
    """The gateway refused a request, or does not answer; the message says how to mend it."""


class Gateway:
    """Where a gateway is, and who asks it."""

    def __init__(self, url: str, api_key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Take an address; nothing is asked yet.

        Args:
            url: Such as http://127.0.0.1:8080.
            api_key: Sent where a caller brings none; None: nothing is.
            timeout_s: How long an answer is waited for.

        Raises:
            ConfigError: It is no address.
        """
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"gateway '{url}': give its address, such as http://127.0.0.1:8080")
        self._url, self._timeout_s = url.rstrip("/"), timeout_s
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Open connections for one event loop."""
        async with httpx.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=self._timeout_s
        ) as client:
            yield Connection(client)


class Connection:
    """Asks a gateway."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        authorization: str | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the answer; empty where the gateway says nothing.

        Args:
            method: Of HTTP.
            path: From the root; see ``in_path`` for what users wrote.
            body: Values of None are left out.
            query: Of the address.
            authorization: The caller's own header; None: that of the gateway's key.

        Raises:
            GatewayError: It refuses, with its own words, or there is no answer.
        """
        given = None if body is None else {k: v for k, v in body.items() if v is not None}
        try:
            answer = await self._client.request(
                method,
                path,
                json=given,
                params=None if query is None else dict(query),
                headers=None if authorization is None else {"Authorization": authorization},
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayError(
                f"the gateway at {self._client.base_url} does not answer "
                f"({type(error).__name__}); start it with `genrec serve`, or correct --url"
            ) from None
        if answer.status_code == 204:
            return {}
        content = _json_of(answer)
        if not answer.is_success:
            fault = content.get("error", {})
            raise GatewayError(
                f"{fault.get('code', answer.status_code)}: "
                f"{fault.get('message', 'the gateway gave no reason')}"
            )
        return content


def in_path(name: str) -> str:
    """Return an ID as a part of a path.

    Examples:
        >>> in_path("a b/c")
        'a%20b%2Fc'
    """
    return quote(name, safe="")


def _json_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise GatewayError(
            f"what answers at {answer.url} is no gateway (status {answer.status_code}); correct "
            "--url"
        )
    return content
