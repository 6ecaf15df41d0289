"""`genrec baseline` as a user types it."""

import json

import pytest

from genrec.evaluate import load_evaluation
from genrec.semantic_ids.build import IndexConfig, build_index
from tests.conftest import genrec

TINY = ("width=16", "num_heads=2", "head_width=8", "inner_width=32", "num_layers=1", "epochs=2")


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


@pytest.mark.parametrize(
    "name, extra, beams",
    [
        ("text-similarity", settings("decay=0.5"), None),
        ("tiger", settings(*TINY, "num_beams=24", "validation_users=20"), 24),
        ("sasrec", settings("epochs=2", "hidden_size=16", "validation_users=20"), None),
    ],
)
def test_a_baseline_is_saved_for_compare_and_lint(
    toy_data, toy_index, tmp_path, name, extra, beams
):
    out = tmp_path / name
    asked = ("--data", toy_data.path, "--index", toy_index, "--max-users", 40, "--seed", 7)
    done = genrec("baseline", name, *asked, "--device", "cpu", "--out", out, "--json", *extra)
    assert done.returncode == 0, done.stderr
    saved = load_evaluation(out)
    assert saved.report == json.loads(done.stdout)
    assert saved.rankers == [name, "popularity", "repeat-last", "item-knn", "markov"]
    assert set(saved.manifest.parents) == {"data", "index"}
    assert saved.manifest.config["num_beams"] == beams
    recipe = saved.manifest.config["recipe"]
    assert (recipe["seed"], recipe["device"]) == (7, "cpu")
    for pair in extra[1::2]:
        key, _, value = pair.partition("=")
        assert str(recipe["settings"][key]) == value
    for mode in saved.report["rankers"][name].values():
        assert mode["invalid_rate"] == mode["duplicate_rate"] == 0
    assert (out / "training.json").exists() == (name != "text-similarity")
    done = genrec("lint-report", out, "--strict", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {str(out): []})
    assert genrec("compare", out, out, "--other", "popularity").returncode == 0


def test_seeds_are_asked_about_the_same_users(toy_data, toy_index, tmp_path):
    asked = ("--data", toy_data.path, "--index", toy_index, "--max-users", 15)
    for seed in (0, 1):
        out = tmp_path / "seeds" / str(seed)
        done = genrec("baseline", "text-similarity", *asked, "--seed", seed, "--out", out)
        assert done.returncode == 0 and "seen filtered" in done.stdout
    done = genrec("compare", tmp_path / "seeds", tmp_path / "seeds", "--json")
    assert (done.returncode, json.loads(done.stdout)["num_users"]) == (0, 15)


def test_faults_are_told_before_anything_is_trained(toy_data, toy_index, tmp_path):
    other = tmp_path / "foreign"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    good = {"--data": toy_data.path, "--index": toy_index}
    for name, changed, words in [
        ("sas-wreck", {}, "choose text-similarity, tiger"),
        ("tiger", {"--index": None}, "--index"),
        ("text-similarity", {"--index": None}, "--index"),
        ("tiger", {"--index": toy_data.path}, "'index'"),
        ("tiger", {"--data": toy_index}, "'data'"),
        ("tiger", {"--data": tmp_path / "none"}, "does not exist"),
        ("tiger", {"--set": "no_such=1"}, "no_such"),
        ("tiger", {"--set": "epochs=many"}, "epochs"),
        ("tiger", {"--max-users": 0}, "max_users"),
        ("tiger", {"--split": "train"}, "train"),
        ("tiger", {"--out": other}, "not a genrec artifact"),
        ("tiger", {"--device": "warp"}, "warp"),
    ]:
        given = {**good, **changed}
        words_typed = [word for pair in given.items() if pair[1] is not None for word in pair]
        done = genrec("baseline", name, *words_typed)
        assert done.returncode == 2, (name, changed)
        assert done.stderr.startswith("error:") and done.stderr.count("\n") == 1, done.stderr
        assert words in done.stderr


def test_an_index_of_other_data_is_refused(toy_data, later_data, tmp_path):
    index = tmp_path / "index"
    build_index(later_data, index, IndexConfig.model_validate({"behaviour": {"dims": 8}}))
    asked = ("--data", toy_data.path, "--index", index)
    done = genrec("baseline", "tiger", *asked)
    assert done.returncode == 2 and "was built on data" in done.stderr
