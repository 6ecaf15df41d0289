"""Progress bars: one look for every stage, silent where nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from genrec.errors import GenrecError

T = TypeVar("T")

console = Console(stderr=True)
"""Where progress and notes go, so that standard output stays machine-readable."""


def progress() -> Progress:
    """Return a progress display; it shows nothing when standard error is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield from ``items`` behind a progress bar."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress() as bar:
        task = bar.add_task(description, total=total, note="")
        for item in items:
            yield item
            bar.advance(task)


@contextmanager
def working(description: str) -> Iterator[None]:
    """Show that a step of unknown length is under way."""
    with console.status(description) if console.is_terminal else _silent():
        yield


@contextmanager
def _silent() -> Iterator[None]:
    yield


def error_line(error: GenrecError) -> Text:
    """Return a user's mistake as one line."""
    return Text.assemble(("error: ", "red"), " ".join(str(error).split()))
