"""Prompts of one call that begin alike, so that an engine can read the beginning once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from genrec.batching import pack

MIN_SHARED = 16
"""A shorter common beginning costs more to look after than to read again."""
CALL_TOKENS = 256
"""About as many tokens as a call of a small model takes the time of, whatever it reads."""


class Branch(NamedTuple):
    """A prompt that begins as its family's trunk does.

    Attributes:
        number: Of the prompt.
        shared: First tokens in common, fewer than the prompt has: its last token is always read.
    """

    number: int
    shared: int


class Family(NamedTuple):
    """Prompts that begin as one of them does.

    Attributes:
        trunk: Number of that one, the longest.
        branches: All of them, the trunk too.
    """

    trunk: int
    branches: list[Branch]


def find_families(prompts: Sequence[Sequence[int]]) -> tuple[list[Family], list[int]]:
    """Group prompts by their beginnings.

    Returns:
        Families that are worth it, and the numbers of the prompts that are in none.
    """
    order = sorted(range(len(prompts)), key=lambda number: list(prompts[number]))
    groups: list[list[int]] = []
    for number in order:
        if groups and count_shared(prompts[groups[-1][-1]], prompts[number]) >= MIN_SHARED:
            groups[-1].append(number)
        else:
            groups.append([number])
    families: list[Family] = []
    alone: list[int] = []
    for group in groups:
        trunk = max(group, key=lambda number: len(prompts[number]))
        branches = [
            Branch(
                number, min(count_shared(prompts[trunk], prompts[number]), len(prompts[number]) - 1)
            )
            for number in group
        ]
        family = Family(trunk, branches)
        if _saved(family, prompts) > 0:
            families.append(family)
        else:
            alone += group
    return families, alone


def _saved(family: Family, prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens' time a family saves; below 0 where its calls cost more."""
    apart = len(family.branches) * len(prompts[family.trunk])
    batches = list(batch_branches(family, prompts, max_tokens=max(apart, 1)))
    rests = sum(
        len(batch) * (len(prompts[batch[-1].number]) - batch[-1].shared) for batch in batches
    )
    return apart - len(prompts[family.trunk]) - rests - CALL_TOKENS * len(batches)


def count_shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many first tokens two prompts have in common.

    Examples:
        >>> count_shared([1, 2, 3], [1, 2, 4, 5])
        2
    """
    both = min(len(one), len(other))
    return next((place for place in range(both) if one[place] != other[place]), both)


def batch_branches(
    family: Family, prompts: Sequence[Sequence[int]], max_tokens: int
) -> Iterator[list[Branch]]:
    """Group branches with rests of like length, so that padding costs less than more calls would.

    Args:
        family: Of these prompts.
        prompts: All of them.
        max_tokens: Most tokens of a batch, shared ones and padding included.
    """

    def rest(branch: Branch) -> int:
        return len(prompts[branch.number]) - branch.shared

    def fits(batch: list[Branch]) -> bool:
        padding = sum(rest(batch[-1]) - rest(branch) for branch in batch)
        return padding <= CALL_TOKENS and len(batch) * len(prompts[family.trunk]) <= max_tokens

    return pack(sorted(family.branches, key=rest), fits)
