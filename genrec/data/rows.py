"""What every reader gives: batches of columns, under the file's own names.

Knows nothing of users, items or any corpus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from genrec.data.lines import Reject

MALFORMED = "malformed line"

Column: TypeAlias = Any
"""Text as an Arrow array, or whatever JSON holds as a list."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written.

    Attributes:
        delimiter: Between two fields.
        quote: Around a field that holds a delimiter or a line end; None: nothing is quoted.
        escape: Before a character that means itself; quotes may be doubled all the same.
        encoding: As Python names it.
        header: Names of the columns; None: the first line has them.
        skip_lines: Lines before the header.
        carriage_returns: Lines end in a carriage return alone.
        trailing: Every row, but not the header, ends in a delimiter.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    header: tuple[str, ...] | None = None
    skip_lines: int = 0
    carriage_returns: bool = False
    trailing: bool = False


@dataclass(slots=True)
class Batch:
    """Rows of a file.

    Attributes:
        lines: Where each row starts, from 1.
        columns: Values of every column, as long as ``lines``.
        rejects: Rows that could not be read.
    """

    lines: list[int] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
