import gzip
import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from genrec.artifacts import read_manifest
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import ArtifactError, ConfigError, DataError
from genrec.semantic_ids.build import build_index as build
from genrec.semantic_ids.build import build_table
from genrec.semantic_ids.config import BehaviourConfig, ImageConfig, IndexConfig, TextConfig
from genrec.semantic_ids.table import (
    CONTENT_FILES,
    FEW,
    LATE_SHARE,
    NEVER,
    OF_LATE,
    WELL,
    SemanticIdTable,
    judge_met,
    load_vectors,
)


def test_the_report_speaks_of_the_table(toy_data, toy_index):
    report = json.loads((toy_index / "report.json").read_text())
    table = SemanticIdTable.load(toy_index)
    assert report["num_items"] == len(table) == len(toy_data.items)
    assert report["collisions"] == 0
    assert len(report["levels"]) == table.num_levels == 3
    for level in report["levels"]:
        assert 0 < level["entropy_share"] <= 1
        assert level["fine_purity"]["measured"] >= level["fine_purity"]["random"]
    assert report["levels"][0]["coarse_purity"]["measured"] > 0.9
    assert report["levels"][-1]["prefixes_used"] == len(table)
    assert len(report["neighbours"]) == 5


def test_planted_themes_are_found(toy_data, toy_index):
    truth = json.loads((toy_data.path.parent / "raw" / "truth.json").read_text())["items"]
    table = SemanticIdTable.load(toy_index)
    themes = {}
    for item_id in table.item_ids:
        themes.setdefault(table.codes_of(item_id)[0], []).append(truth[item_id]["theme"])
    pure = sum(max(map(group.count, group)) for group in themes.values())
    assert pure / len(table) > 0.95


def test_every_prefix_in_use_has_its_own_name(toy_index):
    table = SemanticIdTable.load(toy_index)
    used = {row[:length] for row in map(tuple, table.codes.tolist()) for length in (1, 2)}
    assert set(table.names) == used
    assert len(set(table.names.values())) == len(used)
    assert all(name.strip() and name == name.lower() for name in table.names.values())


def test_the_index_knows_its_data_and_its_config(toy_data, toy_index):
    manifest = read_manifest(toy_index, "index")
    assert manifest.config == {**IndexConfig().model_dump(mode="json"), "learned_from": "train"}
    assert manifest.parents["data"]["content_hash"] == toy_data.manifest.content_hash


def test_the_index_knows_which_items_training_met(toy_data, toy_index):
    met = {event.item_id for history in toy_data.histories("train") for event in history.events}
    table = SemanticIdTable.load(toy_index)
    assert [item_id in met for item_id in table.item_ids] == table.seen_in_training.tolist()


def test_an_item_met_once_in_training_is_known(tmp_path):
    """Of one user's four events the last two are held out."""
    lines = [f"u,i{n},{n}" for n in range(4)]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    prepare([tmp_path / "events.csv"], None, tmp_path / "data", PrepareConfig())
    table = build_table(Dataset.load(tmp_path / "data"), IndexConfig())
    seen = dict(zip(table.item_ids, table.seen_in_training.tolist(), strict=True))
    assert seen == {"i0": True, "i1": True, "i2": False, "i3": False}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=60),
)
def test_how_training_met_each_item_counted_by_hand(events):
    items, times = (np.array([event[part] for event in events], dtype=np.int64) for part in (0, 1))
    found = judge_met(items, times, 7)
    late = np.quantile(times, 1 - LATE_SHARE) if events else 0
    for item in range(7):
        own = [time for each, time in events if each == item]
        is_late = own and len(own) <= FEW and min(own) > late
        assert found[item] == (OF_LATE if is_late else WELL if own else NEVER)


def test_equal_seeds_give_equal_tables(toy_data, toy_index, tmp_path):
    build(toy_data, tmp_path / "again", IndexConfig())
    for name in [*CONTENT_FILES, "names.json", "vectors.npy", "encoder.safetensors", "report.json"]:
        assert (tmp_path / "again" / name).read_bytes() == (toy_index / name).read_bytes(), name
    build(toy_data, tmp_path / "other", IndexConfig(seed=1))
    other = SemanticIdTable.load(tmp_path / "other")
    assert not np.array_equal(other.codes, SemanticIdTable.load(toy_index).codes)


def test_a_table_in_memory_is_the_one_that_is_written(toy_data, toy_index):
    table, written = build_table(toy_data, IndexConfig()), SemanticIdTable.load(toy_index)
    assert table.item_ids == written.item_ids and table.names == written.names
    assert np.array_equal(table.codes, written.codes)


def test_held_out_events_change_nothing(toy_data, toy_index, tmp_path):
    """Validation and test events are given other items, reviews and times."""
    copy = tmp_path / "data"
    copy.mkdir()
    for file in toy_data.path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    rows = pq.read_table(copy / "events.parquet")
    changed = rows.to_pylist()
    for row in changed:
        if row["split"] != "train":
            row["item_id"], row["review"] = toy_data.items[0].item_id, "leak leak"
            row["timestamp"] += 10**6
    pq.write_table(pa.Table.from_pylist(changed, schema=rows.schema), copy / "events.parquet")
    build(Dataset.load(copy), tmp_path / "index", IndexConfig())
    for name in [*CONTENT_FILES, "names.json", "vectors.npy"]:
        assert (tmp_path / "index" / name).read_bytes() == (toy_index / name).read_bytes(), name


def test_vectors_are_kept(toy_data, toy_index):
    vectors = load_vectors(toy_index)
    assert len(vectors) == len(toy_data.items)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        IndexConfig(text=TextConfig(weight=0)),
        IndexConfig(behaviour=BehaviourConfig(weight=0)),
        IndexConfig(num_levels=4, codebook_size=16),
        IndexConfig(max_training_items=50),
    ],
)
def test_other_settings_work_too(toy_data, tmp_path, config):
    report = build(toy_data, tmp_path / "index", config)
    assert report.collisions == 0
    assert SemanticIdTable.load(tmp_path / "index").num_levels == config.num_levels


def test_without_text_there_are_no_vectors_of_texts(toy_data):
    table = build_table(toy_data, IndexConfig(text=TextConfig(weight=0)))
    assert table.text_vectors is None and table.encoder.text is None


def test_pictures_join_in(toy_data, toy_index, tmp_path):
    generator = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", generator.standard_normal((len(toy_data.items), 5)))
    config = IndexConfig(image=ImageConfig(path=tmp_path / "images.npy", weight=2.0))
    build(toy_data, tmp_path / "index", config)
    assert load_vectors(tmp_path / "index").shape[1] == load_vectors(toy_index).shape[1] + 5


def test_what_cannot_be_built_leaves_nothing_behind(toy_data, tmp_path):
    with pytest.raises(ConfigError, match="do not fit into 2 levels of 4 codes"):
        build(toy_data, tmp_path / "index", IndexConfig(num_levels=2, codebook_size=4))
    with pytest.raises(DataError, match="do not exist"):
        build(toy_data, tmp_path / "index", IndexConfig(image=ImageConfig(path=tmp_path / "no")))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ArtifactError, match="not a genrec artifact"):
        build(toy_data, tmp_path / "mine", IndexConfig())


def test_leaving_everything_out_is_refused():
    with pytest.raises(ValueError, match="all left out"):
        IndexConfig(text=TextConfig(weight=0), behaviour=BehaviourConfig(weight=0))
    image = ImageConfig(path="images.npy")
    alone = IndexConfig(text=TextConfig(weight=0), behaviour=BehaviourConfig(weight=0), image=image)
    assert alone.image == image


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_catalogues(tmp_path, count):
    lines = [f"u,i{n},{n}" for n in range(count)]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    prepare([tmp_path / "events.csv"], None, tmp_path / "data", PrepareConfig())
    report = build(Dataset.load(tmp_path / "data"), tmp_path / "index", IndexConfig())
    assert report.num_items == count
    assert report.collisions == 0


@pytest.mark.parametrize("name", ["amazon18_gift_cards", "amazon18_all_beauty"])
def test_real_sets(shared_data, tmp_path, name):
    folder = shared_data / name
    prepare(folder / "events.csv.gz", folder / "items.jsonl.gz", tmp_path / "data", PrepareConfig())
    began = time.monotonic()
    report = build(Dataset.load(tmp_path / "data"), tmp_path / "index", IndexConfig())
    assert time.monotonic() - began < 20
    assert report.collisions == 0
    with gzip.open(folder / "items.jsonl.gz", "rt") as lines:
        assert report.num_items == sum(1 for _ in lines)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(report.table())
    assert "0 collisions" in captured.get()
