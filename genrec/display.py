"""How answers look in a notebook: one way from values to HTML, in which every value is text.

Titles, reviews and IDs are other people's words. They are escaped here and nowhere else; a class
says what is shown of it, not how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

MOST_ROWS = 60
"""Of a longer table the first and the last half of so many rows are shown."""

# Notebooks set what stands between dollar signs as a formula, in outputs too.
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"


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
