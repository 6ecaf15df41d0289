"""Prompts of one call that begin alike, so that an engine can read the beginning once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MIN_SHARED = 16
"""A shorter common beginning costs more to look after than to read again."""
MAX_PADDING = 0.25


class Branch(NamedTuple):
    """A prompt that begins as its family's trunk does.

    Attributes:
        number: Of the prompt.
        shared: First tokens in common, fewer than the prompt has: its last token is always read.
    """

    number: int
    shared: int


class Family(NamedTuple):
    """Prompts that share at least ``MIN_SHARED`` first tokens with one of them.

    Attributes:
        trunk: Number of that one, the longest.
        branches: All of them, the trunk too.
    """

    trunk: int
    branches: list[Branch]


def find_families(prompts: Sequence[Sequence[int]]) -> tuple[list[Family], list[int]]:
    """Group prompts by their beginnings.

    Returns:
        Families of two or more, and the numbers of the prompts that are in none.
    """
    order = sorted(range(len(prompts)), key=lambda number: list(prompts[number]))
    groups: list[list[int]] = []
    for number in order:
        if groups and count_shared(prompts[groups[-1][-1]], prompts[number]) >= MIN_SHARED:
            groups[-1].append(number)
        else:
            groups.append([number])
    families = []
    for group in groups:
        if len(group) > 1:
            trunk = max(group, key=lambda number: len(prompts[number]))
            branches = [
                Branch(
                    number,
                    min(count_shared(prompts[trunk], prompts[number]), len(prompts[number]) - 1),
                )
                for number in group
            ]
            families.append(Family(trunk, branches))
    return families, [group[0] for group in groups if len(group) == 1]


def count_shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many first tokens two prompts have in common.

    Example:
        >>> count_shared([1, 2, 3], [1, 2, 4, 5])
        2
    """
    both = min(len(one), len(other))
    return next((place for place in range(both) if one[place] != other[place]), both)


def batch_branches(
    family: Family, prompts: Sequence[Sequence[int]], max_tokens: int
) -> Iterator[list[Branch]]:
    """Group branches with rests of like length, so that little padding is computed.

    Args:
        family: Of these prompts.
        prompts: All of them.
        max_tokens: Most tokens of a batch, shared ones and padding included.
    """

    def rest(branch: Branch) -> int:
        return len(prompts[branch.number]) - branch.shared

    batch: list[Branch] = []
    for branch in sorted(family.branches, key=rest):
        is_full = (len(batch) + 1) * len(prompts[family.trunk]) > max_tokens
        if batch and (is_full or rest(batch[0]) < (1 - MAX_PADDING) * rest(branch) - MIN_SHARED):
            yield batch
            batch = []
        batch.append(branch)
    if batch:
        yield batch
