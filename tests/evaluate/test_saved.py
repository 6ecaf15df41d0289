import json

import numpy as np
import pytest

from genrec.artifacts import MANIFEST, read_manifest
from genrec.baselines import fit_baselines
from genrec.errors import ArtifactError, ConfigError
from genrec.evaluate import compare, load_evaluation, save_evaluation
from genrec.evaluate.saved import ARRAYS_FILE, REPORT_FILE


@pytest.fixture(scope="module", params=["toy_data", "later_data"])
def data(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def report(data):
    return compare(fit_baselines(data), data, "test", k=10, seed=3)


@pytest.fixture
def saved(report, data, tmp_path):
    save_evaluation(report, tmp_path / "evaluation", {"data": data.path})
    return tmp_path / "evaluation"


def test_every_metric_follows_from_the_saved_ranks(report, saved):
    loaded = load_evaluation(saved)
    assert loaded.rankers == ["popularity", "repeat-last", "item-knn", "markov"]
    assert tuple(loaded.arrays["user_ids"]) == report.evaluations[0].user_ids
    for result in report.evaluations:
        again = loaded.per_user(result.ranker, result.filter_seen)
        assert list(again) == list(result.per_user)
        for name, array in again.items():
            assert array == pytest.approx(result.per_user[name])


def test_targets_and_ranks_say_who_found_what(report, saved, data):
    arrays = load_evaluation(saved).arrays
    examples = list(data.examples("test"))
    assert arrays["num_targets"].sum() == len(arrays["targets"])
    held_out = {event.item_id for event in examples[0].targets}
    first = arrays["targets"][: arrays["num_targets"][0]]
    assert {data.items[place].item_id for place in first} == held_out
    ranks = arrays["popularity/filtered/ranks"]
    assert ranks.min() >= 0 and ranks.max() <= 10


def test_the_manifest_says_what_was_asked_and_of_what(saved, data):
    manifest = read_manifest(saved, "evaluation")
    assert manifest.parents["data"]["content_hash"] == data.manifest.content_hash
    asked = {name: manifest.config[name] for name in ("split", "k", "seed", "level", "ask_at")}
    assert asked == {"split": "test", "k": 10, "seed": 3, "level": "item", "ask_at": "target"}
    assert manifest.config["filter_seen"] == [True, False]


def test_a_changed_report_is_not_loaded(saved):
    content = json.loads((saved / REPORT_FILE).read_text())
    content["rankers"]["item-knn"]["filtered"]["recall@10"]["mean"] += 0.1
    (saved / REPORT_FILE).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="changed"):
        load_evaluation(saved)


@pytest.mark.parametrize("name", [REPORT_FILE, ARRAYS_FILE, MANIFEST])
def test_damage_is_told(saved, name):
    (saved / name).write_bytes(b"{")
    with pytest.raises(ArtifactError, match="again"):
        load_evaluation(saved)


def test_an_unknown_ranker_is_told_with_those_there_are(saved):
    with pytest.raises(ConfigError, match="item-knn"):
        load_evaluation(saved).per_user("sasrec", True)


def test_arrays_need_no_pickle(saved):
    with np.load(saved / ARRAYS_FILE, allow_pickle=False) as arrays:
        assert all(array.dtype.kind in "iU" for array in arrays.values())
