import numpy as np
import pytest
from scipy.sparse import csr_array

from genrec.errors import DataError
from genrec.semantic_ids.fuse import Fusion
from genrec.semantic_ids.images import load_images
from genrec.semantic_ids.linear import Projection, normalize_rows, truncated_svd

WEIGHTS = {"text": 1.0, "behaviour": 1.0}


def parts(count=200, seed=0):
    """Behaviour is a fixed turn of text, so that one foretells the other."""
    generator = np.random.default_rng(seed)
    text = normalize_rows(generator.standard_normal((count, 6)))
    turn, _ = np.linalg.qr(generator.standard_normal((6, 6)))
    return {"text": text, "behaviour": normalize_rows(text @ turn)}


def test_joined_vectors_have_length_one_and_keep_the_weights():
    both = parts()
    fusion = Fusion.fit(both, {"text": 2.0, "behaviour": 1.0})
    joined = fusion.join(both, 200)
    assert np.allclose(np.linalg.norm(joined, axis=1), 1, atol=1e-5)
    ratio = np.linalg.norm(joined[:, :6], axis=1) / np.linalg.norm(joined[:, 6:], axis=1)
    assert np.allclose(ratio, 2, atol=1e-4)


@pytest.mark.parametrize("missing", ["text", "behaviour"])
def test_a_missing_part_is_foretold_from_the_other(missing):
    both = parts()
    complete = Fusion.fit(both, WEIGHTS).join(both, 200)
    holes = {name: vectors.copy() for name, vectors in both.items()}
    holes[missing][:20] = 0
    filled = Fusion.fit(holes, WEIGHTS).join(holes, 200)
    assert ((filled[:20] * complete[:20]).sum(axis=1) > 0.98).all()
    assert np.allclose(filled[20:], complete[20:], atol=1e-6)


def test_a_filled_part_weighs_as_much_as_a_known_one():
    """Where one part predicts the other poorly, a regression shrinks; the filled part does not."""
    both = parts()
    noise = np.random.default_rng(5).standard_normal(both["behaviour"].shape)
    both["behaviour"] = normalize_rows(both["behaviour"] + 0.7 * noise)
    both["behaviour"][:20] = 0
    joined = Fusion.fit(both, WEIGHTS).join(both, 200)
    text, behaviour = (np.linalg.norm(part, axis=1) for part in (joined[:, :6], joined[:, 6:]))
    assert np.allclose(text, behaviour, atol=1e-5)


def test_a_new_item_comes_with_text_alone():
    both = parts()
    fusion = Fusion.fit(both, WEIGHTS)
    joined = fusion.join({"text": both["text"][:5]}, 5)
    assert ((joined * fusion.join(both, 200)[:5]).sum(axis=1) > 0.98).all()


def test_an_item_without_any_part_stays_zero():
    both = parts()
    both["text"][0] = both["behaviour"][0] = 0
    joined = Fusion.fit(both, WEIGHTS).join(both, 200)
    assert not joined[0].any()
    assert joined[1:].any(axis=1).all()


def test_a_part_nobody_has_is_left_out():
    both = parts()
    fusion = Fusion.fit({**both, "text": np.zeros((200, 0), np.float32)}, WEIGHTS)
    assert fusion.widths == {"behaviour": 6}
    assert fusion.join(both, 200).shape == (200, 6)
    assert Fusion.fit({}, {}).join({}, 3).tolist() == [[0], [0], [0]]


def test_the_projection_drops_the_common_part():
    generator = np.random.default_rng(0)
    vectors = (5 + generator.standard_normal((50, 8))).astype(np.float32)
    vectors[3] = 0
    reduced = Projection.fit(vectors, 4).apply(vectors)
    assert reduced.shape == (50, 4)
    assert not reduced[3].any()
    assert np.abs(reduced.mean(axis=0)).max() < 0.2


def test_images_are_read_by_id_or_by_row(tmp_path):
    np.savez(tmp_path / "a.npz", item_ids=["b", "a"], vectors=[[0.0, 2.0], [3.0, 0.0]])
    assert load_images(tmp_path / "a.npz", ["a", "b", "c"]).tolist() == [[1, 0], [0, 1], [0, 0]]
    np.save(tmp_path / "b.npy", np.array([[4.0, 0.0]]))
    assert load_images(tmp_path / "b.npy", ["a"]).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "do not exist"),
        (b"not numpy", "cannot be read"),
        (np.ones((3, 2)), "shape"),
        (np.ones(2), "shape"),
        (np.full((2, 2), np.nan), "NaN"),
    ],
)
def test_image_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "images.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(DataError, match=message):
        load_images(path, ["a", "b"])


@pytest.mark.parametrize(("rows", "dims", "rank"), [(4, 9, 1), (40, 1, 1), (40, 9, 3)])
def test_planted_singular_triplets_are_found(rows, dims, rank):
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.normal(size=(n, 3))).Q for n in (rows, 30))
    planted = left * [5.0, 3.0, 1.0] @ right.T
    found = truncated_svd(csr_array(planted), dims, seed=0)
    assert found[1] == pytest.approx([5.0, 3.0, 1.0][:rank])
    expected = left[:, :rank] * [5.0, 3.0, 1.0][:rank] @ right[:, :rank].T
    assert np.allclose(found[0] * found[1] @ found[2], expected)
