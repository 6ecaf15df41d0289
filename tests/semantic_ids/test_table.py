import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from genrec.artifacts import read_manifest
from genrec.errors import ArtifactError, DataError
from genrec.semantic_ids.table import SemanticIdTable, load_vectors


def table(**changes):
    values = {
        "item_ids": ["a", "b", "ü"],
        "codes": np.array([[0, 1, 0], [0, 1, 1], [2, 0, 3]], dtype=np.int32),
        "codebook_size": 4,
        "centroids": np.zeros((3, 4, 2), np.float32),
        "names": {(0,): "tea", (0, 1): "tea · green"},
    }
    return SemanticIdTable(**{**values, **changes})


def test_codes_and_items_are_found_from_each_other():
    known = table()
    assert known.codes_of("b") == (0, 1, 1)
    assert known.item_at((0, 1, 1)) == "b"
    assert known.item_at((3, 3, 3)) is None
    assert known.index_of("ü") == 2
    assert len(known) == known.num_levels == 3
    assert known.knows("a")
    assert not known.knows("c")
    with pytest.raises(DataError, match="item 'c'"):
        known.codes_of("c")


def test_a_prefix_without_a_name_takes_that_of_its_beginning():
    known = table()
    assert known.name_of((0, 1, 1)) == "tea · green"
    assert known.name_of((0, 3)) == "tea"
    assert known.name_of((2, 0)) == "group 2.0"


def test_saved_is_loaded(tmp_path):
    table(review_words={"tea": 3, "茶": 2}).save(tmp_path / "t", config={"seed": 0})
    loaded = SemanticIdTable.load(tmp_path / "t")
    assert loaded.item_ids == ["a", "b", "ü"]
    assert np.array_equal(loaded.codes, table().codes)
    assert loaded.names == table().names
    assert loaded.review_words == {"tea": 3, "茶": 2}
    assert loaded.codebook_size == 4
    assert loaded.encoder is None


def test_the_content_hash_is_of_items_and_codes_alone(tmp_path):
    hashes = []
    other = np.array([[0, 1, 0], [0, 1, 1], [2, 0, 2]], dtype=np.int32)
    for n, changes in enumerate(
        [{}, {"names": {}}, {"codes": other}, {"item_ids": ["a", "c", "b"]}]
    ):
        table(**changes).save(tmp_path / str(n))
        hashes.append(read_manifest(tmp_path / str(n)).content_hash)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    "name", ["item_ids.json", "codes.safetensors", "codebook.safetensors", "names.json"]
)
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_table_is_refused(tmp_path, name, damage):
    table().save(tmp_path / "t")
    file = tmp_path / "t" / name
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        SemanticIdTable.load(tmp_path / "t")


def test_a_changed_code_is_noticed(tmp_path):
    table().save(tmp_path / "t")
    turned = np.ascontiguousarray(table().codes[::-1])
    save_file({"codes": turned}, tmp_path / "t" / "codes.safetensors")
    with pytest.raises(ArtifactError, match="damaged"):
        SemanticIdTable.load(tmp_path / "t")


def test_other_artifacts_are_refused(tmp_path, toy_data):
    with pytest.raises(ArtifactError, match="'data' artifact"):
        SemanticIdTable.load(toy_data.path)
    with pytest.raises(ArtifactError, match="does not exist"):
        SemanticIdTable.load(tmp_path / "none")
    table().save(tmp_path / "t")
    manifest = json.loads((tmp_path / "t" / "manifest.json").read_text())
    manifest["format_version"] = 99
    (tmp_path / "t" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="format version 99.*newer genrec: upgrade"):
        SemanticIdTable.load(tmp_path / "t")


def test_a_table_by_hand_has_no_vectors(tmp_path):
    table().save(tmp_path / "t")
    with pytest.raises(ArtifactError, match="vectors"):
        load_vectors(tmp_path / "t")
