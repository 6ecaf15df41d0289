"""Logs as lines of JSON, without user text and without secrets.

A line names the route's template, never the path, the query or the body; a fault is logged by its
type and place, never by its message, which may quote what a user sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("serve")
_FIELDS = "fields"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if record.name == LOGGER.name else record.name,
        }
        if record.name != LOGGER.name and not record.exc_info:
            line["message"] = record.getMessage()
        line.update(getattr(record, _FIELDS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            line.update(describe_fault(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line."""
    LOGGER.log(level, event, extra={_FIELDS: fields})


def log_fault(event: str, error: BaseException) -> None:
    """Write that something broke and where."""
    log(event, logging.ERROR, **describe_fault(error))


def describe_fault(error: BaseException) -> dict[str, Any]:
    """Return an exception's type and the places it passed, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "fault": type(error).__name__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    }


def configure_logging(level: str) -> None:
    """Send every logger's lines, the server's among them, to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # serving.metrics writes one line a request; uvicorn's would hold paths and queries.
    logging.getLogger("uvicorn.access").disabled = True
