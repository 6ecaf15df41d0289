"""What asking cost: requests, tokens, money, and how many answers failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Usage:
    """Counts of everything asked of one chat model.

    Attributes:
        prompt_price: Of a million prompt tokens, in any currency.
        answer_price: Of a million answer tokens.
        sent: Requests that left, retries included.
        cached: Answers taken from the cache, for which nothing was sent.
        retries: Requests sent again.
        prompt_tokens: Of answers that were sent for.
        answer_tokens: Likewise.
        failures: Requests that ended without a usable answer, by kind.
        repaired: Answers that were no JSON at first and were after one repair.
        lists: Answers that were asked for, such as a ranking or a summary.
        failed_lists: Of these, how many did not come.
        dropped: Parts of answers that were left out, by kind, such as titles of no item.
    """

    prompt_price: float = 0.0
    answer_price: float = 0.0
    sent: int = 0
    cached: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    lists: int = 0
    failed_lists: int = 0

    @property
    def cost(self) -> float:
        """Return what the tokens cost at the prices given."""
        return (
            self.prompt_tokens * self.prompt_price + self.answer_tokens * self.answer_price
        ) / 1e6

    @property
    def failed(self) -> int:
        """Return the number of failures."""
        return sum(self.failures.values())

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON."""
        return {
            "sent": self.sent,
            "cached": self.cached,
            "retries": self.retries,
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "cost": self.cost,
            "lists": self.lists,
            "failed_lists": self.failed_lists,
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "repaired": self.repaired,
            "dropped": {kind: number for kind, number in sorted(self.dropped.items()) if number},
        }
