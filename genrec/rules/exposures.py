"""Caps on how often something is shown, as what they leave for one list.

Enters: a rule, and how often each item was shown. Leaves: a rule about a list alone. Must not know
where it is kept what was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from genrec.rules.language import AtMost, NamedRule, ShownAtMost
from genrec.table_attributes import TableAttributes


def settle(
    named: NamedRule, rule: ShownAtMost, shown: Mapping[str, int], attributes: TableAttributes
) -> NamedRule:
    """Return the rule as a limit on the next list.

    Args:
        named: The rule as it was asked for.
        rule: What it says.
        shown: How often each item (its ID) was shown within its time; retired ones count for
            nothing.
        attributes: Of the catalogue's items.

    Raises:
        DataError: No item has the attribute.
    """
    attributes.check(rule.per)
    counts: Counter[str] = Counter()
    for item_id, times in shown.items():
        if attributes.of.knows(item_id):
            for value in set(attributes.texts(rule.per, attributes.of.index_of(item_id))):
                counts[value] += times
    left = tuple((value, max(rule.count - count, 0)) for value, count in sorted(counts.items()))
    return replace(named, rule=AtMost(rule.count, rule.per, left=left))
