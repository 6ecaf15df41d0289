"""Requests, tokens, cost and failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Usage:
    """Counts for one chat model.

    Attributes:
        prompt_price: Price of a million prompt tokens, in any currency.
        answer_price: Price of a million answer tokens.
        sent: Requests sent, including retries.
        cached: Answers from the cache, for which nothing was sent.
        retries: Requests sent again.
        prompt_tokens: Not counting cached answers.
        answer_tokens: Likewise.
        failures: Requests without a usable answer, by kind.
        repaired: Answers that were usable only after one repair.
        tasks: Rankings, summaries and ratings asked for.
        failed_tasks: How many of these failed.
        dropped: Parts of answers that were discarded, by kind, such as titles of no item.
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
    tasks: int = 0
    failed_tasks: int = 0

    @property
    def cost(self) -> float:
        """Return the price of the tokens."""
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
            "tasks": self.tasks,
            "failed_tasks": self.failed_tasks,
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "repaired": self.repaired,
            "dropped": {kind: count for kind, count in sorted(self.dropped.items()) if count},
        }
