"""Leaves read back from sequences, against a plain walk."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.device_trie import DeviceTrie, written_leaves
from genrec.decode.trie import Trie

OPENING = 9


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=14), min_size=1, max_size=4))
def test_the_same_leaves_as_a_walk(rows):
    paths = np.array([[0, 1], [0, 2], [3, 1], [4, 4]])
    trie = Trie.build(paths)
    width = max(map(len, rows))
    input_ids = torch.tensor([[5] * (width - len(row)) + row for row in rows])
    found = written_leaves(input_ids, DeviceTrie.from_trie(trie), OPENING)
    longest = 1
    for row, leaves in zip(input_ids.tolist(), found.tolist(), strict=True):
        expected = [
            trie.leaf(trie.walk(row[place + 1 : place + 3]))
            for place, token in enumerate(row)
            if token == OPENING
            and place + 2 < len(row)
            and trie.walk(row[place + 1 : place + 3]) >= 0
        ]
        assert leaves[: len(expected)] == expected
        assert all(leaf == -1 for leaf in leaves[len(expected) :])
        longest = max(longest, len(expected))
    assert found.shape == (len(rows), longest)
