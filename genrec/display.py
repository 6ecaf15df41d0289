"""How objects look: in a line of a terminal, and in a notebook as HTML, in which all is text.

Titles, reviews and IDs are other people's words. They are escaped here and nowhere else; a class
says what is shown of it, not how.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

MAX_REPR_CHARS = 200
MAX_VALUE_CHARS = 60
MAX_REPR_ELEMENTS = 4
MOST_ROWS = 60
"""Of a longer table the first and the last half of so many rows are shown."""

# Notebooks set what stands between dollar signs as a formula, in outputs too.
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"


class ShortRepr:
    """Gives a dataclass a repr of one line: fields at their default are left out, values cut."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{each.name}={_cut(getattr(self, each.name))}"
            for each in fields(self)  # type: ignore[arg-type]
            if each.repr and not _is_default(getattr(self, each.name), each)
        )
        if len(shown) > MAX_REPR_CHARS:
            shown = shown[:MAX_REPR_CHARS] + "…"
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True)
class Table:
    """Rows under a heading.

    Attributes:
        header: Names of the columns.
        rows: Values, a row each.
        caption: Above the table; empty: none.
    """

    header: Sequence[str]
    rows: Iterable[Sequence[object]]
    caption: str = ""


class HtmlRepr:
    """Gives a class a look in notebooks: what ``_shown`` returns, texts as paragraphs."""

    __slots__ = ()

    def _shown(self) -> Iterable[str | Table]:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return to_html(self._shown())


def to_html(parts: Iterable[str | Table]) -> str:
    """Return paragraphs and tables as HTML; whatever is in them is shown as it is."""
    blocks = (
        _table(part) if isinstance(part, Table) else f"<p>{escape(part)}</p>" for part in parts
    )
    return f'<div class="{_NO_FORMULAS}">{"".join(blocks)}</div>'


def day(timestamp: int) -> str:
    """Return the date of a moment, in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def _cut(value: object) -> str:
    """Return the repr of a value, only the size of a large collection."""
    if isinstance(value, Sized) and not isinstance(value, str) and len(value) > MAX_REPR_ELEMENTS:
        return f"<{type(value).__name__} of {len(value)}>"
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def _is_default(value: object, of: Field[Any]) -> bool:
    if of.default is MISSING:
        return of.default_factory is not MISSING and isinstance(value, Mapping) and not value
    # Not by ==, which arrays answer element by element.
    return value is of.default or (
        (isinstance(value, str | bool | float | tuple | frozenset) or is_dataclass(value))
        and value == of.default
    )


def _table(table: Table) -> str:
    rows = [tuple(row) for row in table.rows]
    if len(rows) > MOST_ROWS:
        half = MOST_ROWS // 2
        left_out = [f"… {len(rows) - 2 * half:,} more", *[""] * (len(table.header) - 1)]
        rows = [*rows[:half], tuple(left_out), *rows[-half:]]
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    head = _row(table.header, "th")
    body = "".join(_row(row, "td") for row in rows)
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(cells: Iterable[object], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
