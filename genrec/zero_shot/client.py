"""HTTP that does not give up early and does not hang: retries, bounded time, bounded concurrency.

Enters: JSON bodies. Leaves: JSON answers that were checked, or ``ChatError``. Knows nothing of chats.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from genrec.errors import ConfigError
from genrec.zero_shot.cache import AnswerCache, hash_question
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.usage import Usage

T = TypeVar("T")

RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
FATAL = frozenset({401, 402, 403, 404, 405})


@dataclass(frozen=True)
class RetryPolicy:
    """How long to try.

    Attributes:
        concurrency: Requests under way at the same time.
        timeout_s: Longest wait for one answer.
        attempts: Most requests for one answer.
        deadline_s: Longest time for one answer, waits and retries included.
        first_wait_s: Upper end of the wait before the second attempt; doubled for each further.
        longest_wait_s: Upper end of any wait, also of what a server asks for in Retry-After.
    """

    concurrency: int = 8
    timeout_s: float = 60.0
    attempts: int = 5
    deadline_s: float = 300.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0


class Client:
    """Asks one server; all methods run in one event loop."""

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
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http: httpx.AsyncClient | None = None
        self._free = asyncio.Semaphore(self._policy.concurrency)

    async def ask(self, path: str, body: Any, read: Callable[[Any], T], method: str = "POST") -> T:
        """Return what ``read`` takes from the answer, from the cache where it is there.

        Args:
            path: Below the URL.
            body: Sent as JSON; with the address it is the key of the cache.
            read: Takes an answer apart; raises ``ValueError``, ``KeyError``, ``TypeError`` or
                ``IndexError`` where it is of the wrong form: then it is asked for again.
            method: Of HTTP.

        Raises:
            ChatError: No usable answer in the time and attempts there are; counted.
            ConfigError: The server refuses whatever is asked: a wrong key, model or address.
        """
        key = hash_question(self.url + path, body)
        if self._cache is not None and (kept := self._cache.get(key)) is not None:
            self._usage.cached += 1
            return read(kept)
        try:
            content, found = await self._persist(method, path, body, read)
        except ChatError:
            self._usage.failures[error.kind] += 1
            raise
        self._count_tokens(content)
        if self._cache is not None:
            self._cache.put(key, content)
        return found

    async def probe(self, method: str, path: str, body: Any = None) -> Any | None:
        """Return the answer to a question that not every server knows; None where it does not.

        Raises:
            ChatError: Nothing answers.
            ConfigError: The key is refused.
        """
        try:
            return (await self._persist(method, path, body, lambda content: content))[0]
        except (ChatError, ConfigError) as error:
            cause = error.__cause__
            if isinstance(cause, _Refused) and cause.status not in (401, 402, 403):
                return None
            raise

    async def reach(self, path: str, timeout_s: float = 5.0) -> None:
        """Ask once, and soon give up.

        Raises:
            ChatError: Nothing answers; not counted.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._send("GET", path, None)
        except TimeoutError:
            raise ChatError("timeout", f"no answer within {timeout_s:g} s") from None
        except _Fault as fault:
            raise ChatError(fault.kind, str(fault)) from None
        except _Refused:
            pass  # whoever refuses is there

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _persist(
        self, method: str, path: str, body: Any, read: Callable[[Any], T]
    ) -> tuple[Any, T]:
        """Ask until there is a usable answer, the attempts are used up, or time is."""
        policy, end = self._policy, time.monotonic() + self._policy.deadline_s
        fault = _Fault("timeout", f"no turn within {policy.deadline_s:g} s")
        for attempt in range(policy.attempts):
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    async with self._free:
                        self._usage.sent += 1
                        self._usage.retries += attempt > 0
                        content = await self._send(method, path, body)
                return content, _read(read, content)
            except TimeoutError:
                break
            except _Refused as refused:
                if refused.status in FATAL:
                    raise ConfigError(f"{self.url}{path}: {refused}") from refused
                raise ChatError(f"http {refused.status}", str(refused)) from refused
            except _Fault as found:
                fault = found
            wait = self._wait(attempt, fault)
            if attempt + 1 == policy.attempts or time.monotonic() + wait >= end:
                break
            await asyncio.sleep(wait)
        raise ChatError(fault.kind, f"{self.url}{path}: {fault}")

    async def _send(self, method: str, path: str, body: Any) -> Any:
        """Send once and return the JSON that comes back."""
        if self._http is None:
            limits = httpx.Limits(max_connections=self._policy.concurrency)
            self._http = httpx.AsyncClient(headers=self._headers, limits=limits, timeout=None)
        try:
            # httpx times each read; a server that drips would hold the connection for ever.
            async with asyncio.timeout(self._policy.timeout_s):
                answer = await self._http.request(method, self.url + path, json=body)
        except TimeoutError:
            raise _Fault("timeout", f"no answer within {self._policy.timeout_s:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Fault("connection", f"{type(error).__name__}: {error}") from None
        except httpx.InvalidURL as error:
            raise ConfigError(f"'{self.url}' is no URL: {error}") from None
        if answer.status_code in RETRYABLE:
            wait = _retry_after(answer.headers.get("retry-after"))
            raise _Fault(f"http {answer.status_code}", _words(answer), wait)
        if not answer.is_success:
            raise _Refused(answer.status_code, _words(answer))
        try:
            return answer.json()
        except ValueError as error:
            raise _Fault("broken answer", f"not JSON: {error}") from None

    def _count_tokens(self, content: Any) -> None:
        usage = content.get("usage") if isinstance(content, dict) else None
        if isinstance(usage, dict):
            self._usage.prompt_tokens += _whole(usage.get("prompt_tokens"))
            self._usage.answer_tokens += _whole(usage.get("completion_tokens"))

    def _wait(self, attempt: int, fault: _Fault) -> float:
        """Return the seconds until the next attempt: full jitter, and what the server asks for."""
        most = min(self._policy.longest_wait_s, self._policy.first_wait_s * 2**attempt)
        asked = min(fault.wait_s, self._policy.longest_wait_s)
        # Who was told the same time should not come back at the same moment.
        return asked + random.uniform(0, most)


class _Fault(Exception):
    """An attempt that failed and may go better next time."""

    def __init__(self, kind: str, words: str, wait_s: float = 0.0) -> None:
        super().__init__(words)
        self.kind = kind
        self.wait_s = wait_s


class _Refused(Exception):
    """The server will not answer this, however often it is asked."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words}")
        self.status = status


def _read(read: Callable[[Any], T], content: Any) -> T:
    try:
        return read(content)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _Fault("broken answer", f"of the wrong form ({error!r})") from None


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _retry_after(value: str | None) -> float:
    """Return the seconds a Retry-After header asks for; 0 where it says nothing."""
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


def _words(answer: httpx.Response) -> str:
    try:
        content = answer.json()
        error = content.get("error", content)
        words = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        words = answer.text
    return " ".join(str(words).split())[:300]
