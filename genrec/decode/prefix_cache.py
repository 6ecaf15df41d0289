"""Keys and values of prompts that were read: one that begins as they do is read from there on.

Enters: what makes up a beginning (a model, and tokens), and the keys and values of its tokens.
Leaves: those of the longest known beginning of a prompt. Must not know what the tokens stand for.

What is kept lies in blocks of ``BLOCK_TOKENS`` tokens, each found by a hash of all that it follows
from: the model with its adapter, whose prompt it is, and every token up to the block's end. So what
was read under other words, another order or another adapter is not found, and nothing can be stale.
Blocks used least recently leave first when the budget is full.

Source: automatic prefix caching, "Efficient Memory Management for Large Language Model Serving with
PagedAttention", arXiv 2309.06180; the chain of hashes is that of vLLM.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import takewhile
from time import monotonic

from genrec.decode.roomy_cache import Numbers

BLOCK_TOKENS = 8
"""What fills no block is read again: of 16 tokens a request took 8% more time, of 4 no less."""
MAX_IDLE_S = 3600
"""What nobody used for so long goes with the next prompt that is kept: a session is over, and what
a request kept of a user who was being forgotten must not stay."""
BLOCK_OVERHEAD_BYTES = 1024
"""Of a block beside its numbers: its key, and what Python and torch need for both."""


@dataclass(slots=True)
class _Block:
    """Keys and values of some tokens in all layers.

    Attributes:
        owner: Whose prompt they were read in.
        numbers: Of ``BLOCK_TOKENS`` tokens.
        used: When, by the monotonic clock.
    """

    owner: str
    numbers: Numbers
    used: float

    @property
    def num_bytes(self) -> int:
        return sum(part.nbytes for part in self.numbers) + BLOCK_OVERHEAD_BYTES


def chain_keys(model: str, owner: str, prompt: Sequence[int]) -> list[bytes]:
    """Return the key of each full block of a prompt; the last token is in none.

    Its scores are wanted, so that it is always read.

    Args:
        model: Names weights and adapter; equal only where they are.
        owner: Whose prompt it is; nothing is shared with others, so that all of his can go.
        prompt: Tokens.
    """
    keys, digest = list[bytes](), blake2b(repr((model, owner)).encode(), digest_size=16).digest()
    for start in range(0, len(prompt) - BLOCK_TOKENS, BLOCK_TOKENS):
        tokens = array("q", prompt[start : start + BLOCK_TOKENS]).tobytes()
        digest = blake2b(digest + tokens, digest_size=16).digest()
        keys.append(digest)
    return keys


class PrefixCache:
    """Blocks within a budget; may be asked from several threads.

    Attributes:
        num_bytes: What it holds.
        tokens_asked: Tokens of all prompts looked up.
        tokens_found: Those of them that needed no reading.
    """

    def __init__(self, budget_bytes: int) -> None:
        """Start empty.

        Args:
            budget_bytes: Most that it holds, on the model's device.
        """
        self._budget_bytes = budget_bytes
        self._blocks: OrderedDict[bytes, _Block] = OrderedDict()
        self._lock = threading.Lock()
        self.num_bytes = 0
        self.tokens_asked = 0
        self.tokens_found = 0

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def owners(self) -> set[str]:
        """Whose prompts anything is kept of."""
        with self._lock:
            return {block.owner for block in self._blocks.values()}

    def find(self, keys: Sequence[bytes], num_tokens: int) -> list[Numbers]:
        """Return the blocks of a prompt's longest known beginning.

        Args:
            keys: See ``chain_keys``.
            num_tokens: Of the prompt.
        """
        with self._lock:
            found = list(takewhile(self._blocks.__contains__, keys))
            # From the last on, so that no block outlives those it cannot be found without.
            for key in reversed(found):
                self._blocks[key].used = monotonic()
                self._blocks.move_to_end(key)
            self.tokens_asked += num_tokens
            self.tokens_found += len(found) * BLOCK_TOKENS
            return [self._blocks[key].numbers for key in found]

    def keep(self, keys: Sequence[bytes], numbers: Numbers, owner: str) -> None:
        """Keep blocks that were read.

        Args:
            keys: Of blocks that follow one another.
            numbers: Of at least their tokens, the first being theirs.
            owner: Whose prompt they are of.
        """
        with self._lock:
            for place, key in reversed([*enumerate(keys)]):
                if key not in self._blocks:
                    # A view would keep the memory of the whole batch.
                    start, end = place * BLOCK_TOKENS, (place + 1) * BLOCK_TOKENS
                    own = [part[:, start:end].clone() for part in numbers]
                    self._blocks[key] = _Block(owner, own, monotonic())
                    self.num_bytes += self._blocks[key].num_bytes
            # What was used least recently comes first.
            while self._blocks:
                oldest = next(iter(self._blocks.values()))
                fits = self.num_bytes <= self._budget_bytes
                if fits and oldest.used >= monotonic() - MAX_IDLE_S:
                    break
                self.num_bytes -= self._blocks.popitem(last=False)[1].num_bytes

    def forget(self, owner: str) -> None:
        """Drop every block that was read in a prompt of this owner."""
        with self._lock:
            theirs = [key for key, block in self._blocks.items() if block.owner == owner]
            self.num_bytes -= sum(self._blocks.pop(key).num_bytes for key in theirs)
