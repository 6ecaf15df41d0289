"""What a sequence may go on with, said plainly: lists and loops, no trie."""

from collections.abc import Sequence

import numpy as np


def may_follow(
    tokens: Sequence[int],
    paths: np.ndarray,
    opening: int,
    end: int,
    exclude: Sequence[int] = (),
    candidates: Sequence[int] | None = None,
) -> set[int] | None:
    """Return the tokens that may follow; None where anything may.

    Args:
        tokens: Prompt and output.
        paths: Tokens of each row's item. Shape: (N, L).
        opening: Token after which an item is written.
        end: Token that is left where no item is.
        exclude: Rows never to name.
        candidates: Rows to stay within; None: all.
    """
    num_levels = paths.shape[1]
    item_tokens = set(paths.ravel().tolist())
    written: list[int] = []
    for token in reversed(tokens):
        if token == opening:
            break
        written.insert(0, token)
        if len(written) == num_levels or token not in item_tokens:
            return None
    else:
        return None
    rows = set(range(len(paths)) if candidates is None else candidates) - set(exclude)
    following = {
        int(paths[row, len(written)])
        for row in rows
        if paths[row, : len(written)].tolist() == written
    }
    return following or {end}
