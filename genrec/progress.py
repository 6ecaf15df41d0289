"""Progress bars: one look for every stage, silent where nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
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


def progress() -> Progress:
    """Return a progress display; it shows nothing when standard error is not a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
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
