"""What was mended on the way, counted, with one example of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genrec.data.config import RepairName
from genrec.data.lines import excerpt

NAMES: dict[RepairName, str] = {
    "html": "markup removed from a text",
    "lists": "list in a text read as one",
    "null-words": "word for a missing value",
    "float-ids": "ID that was made a float",
    "decimal": "decimal comma",
}


class Repairs:
    """Counts of repairs by kind, and the first of each."""

    def __init__(self, left_undone: Collection[RepairName] = ()) -> None:
        self.left_undone = frozenset(left_undone)
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def wants(self, kind: RepairName) -> bool:
        """Whether a repair is to be done."""
        return kind not in self.left_undone

    def note(self, kind: RepairName, count: int, before: str, after: str | None) -> None:
        """Count repairs of a kind, one of which made ``after`` of ``before``."""
        if count:
            self.counts[NAMES[kind]] += count
            shown = "nothing" if after is None else repr(excerpt(after))
            self.examples.setdefault(NAMES[kind], f"{excerpt(before)!r} became {shown}")

    def report(self) -> dict[str, dict[str, int | str]]:
        """Return count and example of each kind, most frequent first."""
        return {
            name: {"count": count, "example": self.examples[name]}
            for name, count in self.counts.most_common()
        }

    def drop_words(self, values: pa.Array, words: Sequence[str]) -> pa.Array:
        """Return texts with words for "missing" as missing."""
        if not words or not self.wants("null-words"):
            return values
        mask = pc.is_in(values, pa.array(words, pa.string()))
        count = pc.sum(mask).as_py() or 0
        if not count:
            return values
        self.note("null-words", count, values.filter(mask)[0].as_py(), None)
        return pc.if_else(mask, pa.scalar(None, pa.string()), values)

    def rewrite(
        self, values: pa.Array, pattern: str, change: Callable[[str], str], kind: RepairName
    ) -> pa.Array:
        """Return texts with those that match a pattern changed, if the repair is wanted."""
        if not self.wants(kind):
            return values
        changed, before, after = rewrite(values, pattern, change)
        differ = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        if differ:
            self.note(kind, len(differ), *differ[0])
        return changed


def rewrite(
    values: pa.Array, pattern: str, change: Callable[[str], str]
) -> tuple[pa.Array, list[str], list[str]]:
    """Return texts with those that match a pattern changed, and these before and after."""
    mask = pc.fill_null(pc.match_substring_regex(values, pattern), False)
    places = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
    if not len(places):
        return values, [], []
    before = values.take(pa.array(places)).to_pylist()
    # Equal texts are changed once.
    changed = {text: change(text) for text in dict.fromkeys(before)}
    after = [changed[text] for text in before]
    return pc.replace_with_mask(values, mask, pa.array(after, pa.string())), before, after
