"""How a file maps to our columns: the words that ``formats`` and ``corpora`` are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from genrec.data.rows import Batch, Dialect
from genrec.data.times import TimeForm
from genrec.schema import ABOUT, EVENT_TYPE, ITEM_ID, TIMESTAMP, USER_ID

FileKind = Literal["event", "item", "user"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A column computed from others, row by row; a column the file lacks gives None."""

    make: Callable[..., Any]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A column that is the same in every row."""

    value: str


Column = str | Derived | Constant

SECONDS = TimeForm()


@dataclass(frozen=True)
class Source:
    """How one kind of file maps to our columns.

    Attributes:
        columns: For each of our columns where it comes from.
        layout: For files without a header.
        time: How times are written; None: as the file looks.
        text: Columns kept as lines "name: value" of an item's text, under these names.
        attributes: Columns beside those of ``text`` that filters can ask for.
        others: What becomes of all other columns: "ignore", "text" (and attributes), or "refuse".
        html: Whether texts are known to hold markup.
        by_name: Whether columns are found by our names.
        nested: Whether what lies within objects is a column, too.
        reshape: Makes rows of events of rows that hold several, or none.
    """

    columns: Mapping[str, Column]
    layout: Dialect | None = None
    time: TimeForm | None = SECONDS
    text: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    others: str = "ignore"
    html: bool = False
    by_name: bool = False
    nested: bool = False
    reshape: Callable[[Batch], Batch] | None = None


@dataclass(frozen=True)
class Format:
    """The files of a corpus.

    Attributes:
        events: How a file of events maps to our columns.
        items: The same for items.
        users: The same for what users say of themselves; few corpora have it, so by our names.
        join: Makes one file of several tables, in a directory; None: each file stands alone.
    """

    events: Source
    items: Source
    users: Source = Source({name: name for name in (USER_ID, ABOUT)}, others="text", by_name=True)
    join: Callable[[Sequence[Path], Path], list[Path]] | None = None

    def of(self, kind: FileKind) -> Source:
        """Return how one kind of file maps to our columns."""
        return {"event": self.events, "item": self.items, "user": self.users}[kind]


def event_columns(
    user_id: Column, item_id: Column, timestamp: Column, event_type: Column, **others: Column
) -> dict[str, Column]:
    """Return the columns of a log of events; others go by our names, such as ``rating``."""
    needed = {USER_ID: user_id, ITEM_ID: item_id, TIMESTAMP: timestamp, EVENT_TYPE: event_type}
    return needed | others


def layout(header: tuple[str, ...], delimiter: str = "\t", encoding: str = "latin-1") -> Dialect:
    """Return how a file without header and quotes is written."""
    return Dialect(delimiter, quote=None, encoding=encoding, header=header)
