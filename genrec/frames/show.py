"""How answers look in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from genrec.schema import Recommendation


def html_table(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return a table; every value is escaped, since titles and reviews are other people's text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Recommendations(list[Recommendation]):
    """One user's items, best first; a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = ((item.rank, item.item_id, item.title or "", f"{item.score:.2f}") for item in self)
        return html_table(("rank", "item_id", "title", "score"), rows)
