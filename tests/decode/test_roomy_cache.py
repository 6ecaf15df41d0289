"""The cache with room holds what transformers' own holds, and blocks come back where they were."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from genrec.decode import roomy_cache
from genrec.decode.roomy_cache import Layout, RoomyCache

# Heads and size of each layer's keys and values; in the second their sizes differ.
MODELS = ([(2, 4), (2, 4)] * 3, [(2, 6), (2, 4), (1, 6), (1, 4)])


def fill(cache, shapes, columns, rows=2):
    for layer, (keys, values) in enumerate(zip(shapes[::2], shapes[1::2], strict=True)):
        parts = (torch.rand(rows, heads, columns, size) for heads, size in (keys, values))
        cache.update(*parts, layer)


@pytest.mark.parametrize("shapes", MODELS)
@settings(deadline=None)
@given(steps=st.lists(st.integers(-6, 9).filter(bool), max_size=8))
def test_it_holds_what_was_appended_and_not_cropped(shapes, steps):
    roomy, known = RoomyCache(), DynamicCache()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roomy_cache, "ROOM", 5)
        for seed, step in enumerate([7, *steps]):
            if step < 0:
                step = -min(-step, known.get_seq_length() - 1)
                roomy.crop(step), known.crop(step)
            else:
                for cache in (roomy, known):
                    torch.manual_seed(seed)
                    fill(cache, shapes, step)
            for one, other in zip(roomy, known, strict=True):
                assert all(map(torch.equal, one[:2], other[:2]))


@pytest.mark.parametrize("shapes", MODELS)
def test_blocks_come_back_where_they_were(shapes):
    cache = DynamicCache()
    fill(cache, shapes, 9)
    layout = Layout.of(cache)
    whole = layout.write(cache, 6)
    first, second = ([part[row] for part in whole] for row in (0, 1))
    blocks = [[part[:, start : start + 3] for part in first] for start in (0, 3)]
    read = layout.read([blocks, [[part[:, :3] for part in second]]], 6, 2)
    for one, other in zip(read, cache, strict=True):
        for back, was in zip(one[:2], other[:2], strict=True):
            assert torch.equal(back[0], was[0, :, -6:])
            assert torch.equal(back[1, :, :3], was[1, :, -6:-3])
            assert not back[1, :, 3:].any()
