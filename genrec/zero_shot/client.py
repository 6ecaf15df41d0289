"""JSON over HTTP with retries, bounded time and bounded concurrency.

Enters: JSON bodies. Leaves: validated JSON answers, or a ``ChatError``. Knows nothing of chats.
``openai`` sends and classifies errors, ``tenacity`` schedules the retries. openai's own retries
would not repeat malformed answers, and would ignore the deadline.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable
from typing import Any, TypeVar

import openai
from pydantic import HttpUrl, TypeAdapter, ValidationError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exception,
    wait_random_exponential,
)

from genrec.errors import ConfigError
from genrec.zero_shot.cache import AnswerCache, hash_question
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.config import RetryPolicy
from genrec.zero_shot.usage import Usage

T = TypeVar("T")

RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
UNAUTHORIZED = frozenset({401, 402, 403})
FATAL = UNAUTHORIZED | {404, 405}
MAX_WAIT_S = 60.0
"""Longest backoff, and longest Retry-After that is honoured."""


class Client:
    """Sends requests to one server; all methods run in one event loop."""

    def __init__(
        self,
        url: str,
        usage: Usage,
        policy: RetryPolicy | None = None,
        api_key: str | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._usage = usage
        self._policy = policy or RetryPolicy()
        self._cache = cache
        try:
            TypeAdapter(HttpUrl).validate_python(url)
        except ValidationError as error:
            raise ConfigError(f"'{url}' is not a URL: {error.errors()[0]['msg']}") from None
        self._api = openai.AsyncOpenAI(
            base_url=self.url,
            api_key=api_key or "EMPTY",
            max_retries=0,
            timeout=None,
        )
        self._slots = asyncio.Semaphore(self._policy.concurrency)

    async def ask(self, path: str, body: Any, parse: Callable[[Any], T]) -> T:
        """Return the parsed answer, from the cache if it is there.

        Args:
            path: Below the URL.
            body: Sent as JSON; together with the address it is the key of the cache.
            parse: Extracts the result; an answer for which it raises ``ValueError``, ``KeyError``,
                ``TypeError``, ``IndexError`` or ``AttributeError`` is asked for again.

        Raises:
            ChatError: No usable answer within the policy; counted in ``usage``.
            ConfigError: The server rejects every request: wrong key, model or address.
        """
        key = hash_question(self.url + path, body)
        if self._cache is not None and (cached := self._cache.get(key)) is not None:
            self._usage.cached += 1
            return parse(cached)
        try:
            content, result = await self._retry(path, body, parse)
        except openai.APIStatusError as error:
            if error.status_code in FATAL:
                raise self._rejected(path, error) from None
            self._usage.failures[f"http {error.status_code}"] += 1
            raise ChatError(f"http {error.status_code}", _message(error)) from None
        except ChatError as error:
            self._usage.failures[error.kind] += 1
            raise
        self._count_tokens(content)
        if self._cache is not None:
            self._cache.put(key, content)
        return result

    async def probe(self, path: str, body: Any = None) -> Any | None:
        """Ask for what not every server offers (GET without a body); None if this one does not.

        Raises:
            ChatError: The server does not answer.
            ConfigError: The key is rejected.
        """
        try:
            return (await self._retry(path, body, lambda content: content))[0]
        except openai.APIStatusError as error:
            if error.status_code in UNAUTHORIZED:
                raise self._rejected(path, error) from None
            return None

    async def ping(self, path: str, timeout_s: float = 5.0) -> None:
        """Send one GET request; an error status counts as an answer.

        Raises:
            ChatError: No answer; not counted.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(path, None)
        except TimeoutError:
            raise ChatError("timeout", f"no answer within {timeout_s:g} s") from None
        except openai.APIStatusError:
            pass

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _retry(self, path: str, body: Any, parse: Callable[[Any], T]) -> tuple[Any, T]:
        """Send until there is a usable answer, or attempts or time run out."""
        policy = self._policy
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Retryable),
            stop=stop_after_attempt(policy.attempts) | stop_before_delay(policy.deadline_s),
            # Random waits, so that clients told the same time do not return at the same moment.
            wait=wait_random_exponential(policy.first_wait_s, MAX_WAIT_S)
            + wait_exception(lambda error: getattr(error, "wait_s", 0.0)),
            reraise=True,
        )
        try:
            async with asyncio.timeout(policy.deadline_s):
                async for attempt in attempts:
                    with attempt:
                        async with self._slots:
                            self._usage.sent += 1
                            self._usage.retries += attempt.retry_state.attempt_number > 1
                            content = await self._send(path, body)
                        return content, _parse(parse, content)
        except TimeoutError:
            detail = f"{self.url}{path}: no answer within {policy.deadline_s:g} s"
            raise ChatError("timeout", detail) from None
        except _Retryable as error:
            raise ChatError(error.kind, f"{self.url}{path}: {error.detail}") from None
        raise AssertionError("tenacity returns or raises")

    async def _send(self, path: str, body: Any) -> Any:
        """Send one request and return the JSON of the answer."""
        try:
            # HTTP timeouts restart with every read; a server that drips bytes would evade them.
            async with asyncio.timeout(self._policy.timeout_s):
                if body is None:
                    return await self._api.get(path, cast_to=object)
                return await self._api.post(path, cast_to=object, body=body)
        except TimeoutError:
            detail = f"no answer within {self._policy.timeout_s:g} s"
            raise _Retryable("timeout", detail) from None
        except openai.APIStatusError as error:
            if error.status_code in RETRYABLE:
                wait_s = min(MAX_WAIT_S, _retry_after(error.response.headers.get("retry-after")))
                raise _Retryable(f"http {error.status_code}", _message(error), wait_s) from None
            raise
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _Retryable("connection", f"{type(cause).__name__}: {cause}") from None
        except ValueError as error:
            raise _Retryable("broken answer", f"not JSON: {error}") from None

    def _rejected(self, path: str, error: openai.APIStatusError) -> ConfigError:
        return ConfigError(f"{self.url}{path}: HTTP {error.status_code}: {_message(error)}")

    def _count_tokens(self, content: Any) -> None:
        usage = content.get("usage") if isinstance(content, dict) else None
        if isinstance(usage, dict):
            self._usage.prompt_tokens += _int_or_zero(usage.get("prompt_tokens"))
            self._usage.answer_tokens += _int_or_zero(usage.get("completion_tokens"))


class _Retryable(ChatError):
    """A failed attempt that may succeed the next time."""

    def __init__(self, kind: str, detail: str, wait_s: float = 0.0) -> None:
        super().__init__(kind, detail)
        self.wait_s = wait_s


def _parse(parse: Callable[[Any], T], content: Any) -> T:
    try:
        return parse(content)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _Retryable("broken answer", f"malformed ({error!r})") from None


def _int_or_zero(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _retry_after(value: str | None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 if it is missing or unreadable."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _message(error: openai.APIStatusError) -> str:
    """Return the server's own words on one line."""
    body: Any = error.body
    message = body.get("message", body) if isinstance(body, dict) else body
    return " ".join(str(message or error.response.text).split())[:300]
