"""One user's answers that are lists, as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator

from genrec.display import HtmlRepr, Table
from genrec.schema import Recommendation


class Recommendations(list[Recommendation], HtmlRepr):
    """One user's items, best first; a list that a notebook shows as a table."""

    def _shown(self) -> Iterator[Table]:
        rows = ((item.rank, item.item_id, item.title or "", f"{item.score:.2f}") for item in self)
        yield Table(("rank", "item_id", "title", "score"), rows)


class NextInterests(list[tuple[str, float]], HtmlRepr):
    """Interests expected next with their probabilities; a list that is shown as a table."""

    def _shown(self) -> Iterator[Table]:
        yield Table(("interest", "probability"), ((name, f"{share:.0%}") for name, share in self))
