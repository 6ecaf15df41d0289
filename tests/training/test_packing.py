import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genrec.training.packing import collate, pack


@given(st.lists(st.integers(1, 16), max_size=200), st.integers(0, 5))
def test_pack_keeps_every_sample_once_and_never_overfills(lengths, seed):
    rows = pack(lengths, 16, seed)
    assert sorted(sample for row in rows for sample in row) == list(range(len(lengths)))
    assert all(sum(lengths[sample] for sample in row) <= 16 for row in rows)


def test_pack_wastes_little():
    lengths = np.random.default_rng(0).integers(5, 60, size=5000).tolist()
    rows = pack(lengths, 256, seed=0)
    assert sum(lengths) / (256 * len(rows)) > 0.95


def test_collate_restarts_positions_and_pads():
    def sample(*tokens):
        return np.array(tokens), np.array([0] + [1] * (len(tokens) - 1))

    batch = collate([[sample(7, 8, 9), sample(5, 6)], []], row_tokens=6, pad_id=0)
    assert batch["input_ids"].tolist() == [[7, 8, 9, 5, 6, 0], [0] * 6]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5]]
    assert batch["targets"].tolist() == [[0, 1, 1, 0, 1, 0], [0] * 6]
