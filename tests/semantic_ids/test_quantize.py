import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genrec.semantic_ids.quantize import assign_codes, fit_centroids, fit_codebook_size

coordinates = st.sampled_from([0.0, 0.5, -1.0, 3.0, 1e-3])
crowds = st.integers(1, 60).flatmap(lambda n: arrays(np.float32, (n, 3), elements=coordinates))


def collisions(codes):
    return len(codes) - len({tuple(row) for row in codes.tolist()})


@settings(max_examples=30, deadline=None)
@given(vectors=crowds, seed=st.integers(0, 3))
def test_no_two_rows_share_a_code_and_equal_seeds_agree(vectors, seed):
    size = fit_codebook_size(256, len(vectors))
    centroids = fit_centroids(vectors, size, 3, seed, max_items=1000)
    codes = assign_codes(vectors, centroids)
    assert collisions(codes) == 0
    assert codes.min() >= 0
    assert codes.max() < size
    again = fit_centroids(vectors, size, 3, seed, max_items=1000)
    assert np.array_equal(centroids, again)
    assert np.array_equal(codes, assign_codes(vectors, again))


@settings(max_examples=30, deadline=None)
@given(vectors=crowds, new=crowds)
def test_new_rows_never_take_a_taken_code(vectors, new):
    centroids = fit_centroids(vectors, 8, 3, 0, max_items=1000)
    codes = assign_codes(vectors, centroids)
    added = assign_codes(new, centroids, taken=codes)
    assert collisions(np.concatenate([codes, added])) == 0


@pytest.mark.parametrize("count", [1, 7, 8])
def test_equal_rows_fill_the_tree_to_the_last_leaf(count):
    centroids = fit_centroids(np.ones((8, 2), np.float32), 2, 3, 0, max_items=100)
    assert collisions(assign_codes(np.ones((count, 2), np.float32), centroids)) == 0


def test_more_rows_than_leaves_are_refused():
    centroids = np.zeros((2, 2, 1), np.float32)
    with pytest.raises(ValueError, match="5 items"):
        assign_codes(np.zeros((5, 1), np.float32), centroids)


def test_the_nearest_row_keeps_a_contested_code():
    centroids = np.array([[[0.0], [10.0]], [[0.0], [1.0]]], np.float32)
    codes = assign_codes(np.array([[0.3], [0.1]], np.float32), centroids)
    assert codes.tolist() == [[0, 1], [0, 0]]


def test_a_full_group_spills_to_the_nearest_with_room():
    centroids = np.array([[[0.0], [10.0]], [[0.0], [1.0]]], np.float32)
    codes = assign_codes(np.array([[0.0], [0.1], [0.2]], np.float32), centroids)
    assert codes[:, 0].tolist() == [0, 0, 1]


def test_near_rows_share_prefixes():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((10, 8)) * 5
    vectors = np.repeat(centres, 12, axis=0) + generator.standard_normal((120, 8)) * 0.01
    centroids = fit_centroids(vectors.astype(np.float32), 10, 3, 0, max_items=1000)
    first = assign_codes(vectors.astype(np.float32), centroids)[:, 0].reshape(10, 12)
    assert (first == first[:, :1]).all()
    assert len(set(first[:, 0])) == 10


def test_chunks_do_not_change_the_codes(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((300, 4)).round(1).astype(np.float32)
    centroids = fit_centroids(vectors, 8, 3, 0, max_items=1000)
    whole = assign_codes(vectors, centroids)
    monkeypatch.setattr("genrec.semantic_ids.quantize._CHUNK_ROWS", 7)
    chunked = assign_codes(vectors, centroids)
    assert collisions(chunked) == 0
    assert (whole == chunked).mean() > 0.99


def test_a_sample_is_enough_to_fit():
    vectors = np.random.default_rng(0).standard_normal((400, 4)).astype(np.float32)
    centroids = fit_centroids(vectors, 16, 3, 0, max_items=100)
    assert collisions(assign_codes(vectors, centroids)) == 0


@pytest.mark.parametrize(
    ("items", "size"), [(1, 2), (85, 14), (200, 24), (12_101, 256), (10**6, 256)]
)
def test_small_catalogues_get_fewer_codes(items, size):
    assert fit_codebook_size(256, items) == size


def test_of_equally_near_rows_the_first_takes_the_nearer_code():
    centroids = np.array([[[0.0], [1.0], [5.0]]], dtype=np.float32)
    same = np.zeros((3, 1), dtype=np.float32)
    assert assign_codes(same, centroids)[:, 0].tolist() == [0, 1, 2]
