"""A cache of answers on disk, keyed by the hash of the request, so that a rerun sends nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from genrec.errors import ArtifactError

_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"


class AnswerCache:
    """A SQLite file of answers; several threads and processes may share it.

    An answer is written before it is used, so the answers that an interrupted run paid for are
    there for the next one. Failures are not cached.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create the file.

        Raises:
            ArtifactError: It is not a cache, or its folder is not writable.
        """
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self._path, timeout=60, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise ArtifactError(
                f"cannot use {path} as a cache ({error}); choose another file with --cache, or "
                "delete this one"
            ) from None

    def get(self, key: str) -> Any | None:
        """Return an answer; None if there is none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT answer FROM answers WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, answer: Any) -> None:
        """Store an answer."""
        text = json.dumps(answer, ensure_ascii=False)
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO answers (key, answer) VALUES (?, ?)", (key, text)
            )

    def __len__(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT COUNT(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def hash_question(url: str, body: Any) -> str:
    """Return a hash of the address and the body of a request."""
    text = json.dumps([url, body], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
