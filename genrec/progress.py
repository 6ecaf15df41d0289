"""Progress: bars on a terminal, elsewhere a line every so often, one look for every stage."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text

from genrec.errors import GenrecError

T = TypeVar("T")

# Control characters but for the line end, and marks that turn the direction of what follows: on a
# terminal they would be carried out.
_ACTIVE = dict.fromkeys(
    [*range(10), *range(11, 32), *range(127, 160)]
    + [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


class PlainConsole(Console):
    """A console for which text is text: no markup, no emoji codes, no escapes in it."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render without the characters that a terminal would act on."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(segment.text.translate(_ACTIVE), segment.style)


console = PlainConsole(stderr=True)
"""Where progress and notes go, so that standard output stays machine-readable."""


LINE_EVERY_S = 30.0
"""How often a log, a notebook or CI is told how far things are."""


class LineProgress(Progress):
    """Prints a line for each task every ``LINE_EVERY_S`` seconds, whether it moves or not."""

    def __init__(self) -> None:
        super().__init__(console=console, disable=True)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._done_before: dict[TaskID, float] = {}

    def add_task(self, description: str, *args: Any, **options: Any) -> TaskID:
        """See ``rich.progress.Progress.add_task``."""
        task = super().add_task(description, *args, **options)
        self._done_before[task] = float(options.get("completed", 0))
        return task

    def start(self) -> None:
        """Begin to print; of several processes that do the same, the first one does."""
        if int(os.environ.get("RANK", "0")) == 0:
            self._over.clear()
            self._thread = threading.Thread(target=self._print, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Print no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _print(self) -> None:
        while not self._over.wait(LINE_EVERY_S):
            for task in self.tasks:
                if not task.finished:
                    console.print(self._line(task), soft_wrap=True, highlight=False)

    def _line(self, task: Task) -> str:
        # What an earlier start had done says nothing about the speed of this one.
        before = self._done_before.get(task.id, 0.0)
        elapsed = task.elapsed or 0.0
        done = task.completed - before
        parts = [task.description]
        if task.total is not None:
            parts.append(f"{task.completed:g} of {task.total:g}")
        elif task.completed:
            parts.append(f"{task.completed:g}")
        if done > 0 and elapsed > 0:
            parts.append(f"{done / elapsed:.3g} a second")
        parts.append(f"{_duration(elapsed)} gone")
        if done > 0 and task.total is not None:
            parts.append(f"about {_duration((task.total - task.completed) * elapsed / done)} left")
        return " · ".join([*parts, *filter(None, [task.fields.get("note")])])


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def progress() -> Progress:
    """Return a progress display: a bar on a terminal, else lines."""
    if not console.is_terminal:
        return LineProgress()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
    )


def track(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """Yield from ``items`` behind a progress bar.

    Args:
        items: What is worked on.
        description: Says what is done, and of what the numbers are, if not of ``items``.
        total: Of the sizes; None: as many as there are items, if that is known.
        size: What an item counts; a batch may count its rows.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress() as bar:
        task = bar.add_task(description, total=total, note="")
        for item in items:
            yield item
            bar.advance(task, size(item))


@contextmanager
def working(description: str) -> Iterator[None]:
    """Show that a step of unknown length is under way."""
    if console.is_terminal:
        with console.status(description):
            yield
    else:
        with LineProgress() as lines:
            lines.add_task(description, total=None)
            yield


def error_line(error: GenrecError) -> Text:
    """Return a user's mistake as one line."""
    return Text.assemble(("error: ", "red"), " ".join(str(error).split()))
