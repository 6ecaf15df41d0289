"""Saved evaluations: what each check refuses of one, and a sound one that none refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genrec.artifacts import MANIFEST, write_aside, write_manifest
from genrec.baselines import ItemKNN, fit_baselines
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.evaluate import compare, save_evaluation
from genrec.evaluate.checks import CHECKS, check, read_report_tables
from genrec.evaluate.provenance import hash_counts, tied_share
from genrec.evaluate.saved import REPORT_FILE
from genrec.semantic_ids.build import IndexConfig, build_index
from genrec.semantic_ids.table import CODES_FILE


def make_run(out: Path, index: Path) -> Path:
    """Write what a run is to the checker: an artifact that stands on an index."""
    with write_aside(out) as directory:
        (directory / "weights").write_text("none")
        write_manifest(directory, out, "base", {}, ["weights"], {"index": index})
    return out


def evaluate_toy(data: Dataset, out: Path, index: Path, **options) -> Path:
    report = compare(fit_baselines(data), data, "test", k=10, **options)
    run = make_run(out.with_name(f"{out.name}-run"), index)
    save_evaluation(report, out, {"run": run, "data": data.path})
    return out


CONFIG = IndexConfig.model_validate({"codebook_size": 16, "behaviour": {"dims": 16}})


@pytest.fixture(scope="module")
def index(toy_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("index") / "index"
    build_index(toy_data, out, CONFIG)
    return out


@pytest.fixture(scope="module")
def sound(toy_data, index, tmp_path_factory):
    return evaluate_toy(toy_data, tmp_path_factory.mktemp("sound") / "evaluation", index)


@pytest.fixture
def copy(sound, tmp_path):
    """The sound evaluation with everything it stands on, to be spoilt."""
    return evaluate_again(sound, tmp_path)


def evaluate_again(sound: Path, into: Path) -> Path:
    out = into / "evaluation"
    shutil.copytree(sound, out)
    manifest = json.loads((out / MANIFEST).read_text())
    for parent in manifest["parents"].values():
        parent["path"] = str((sound / parent["path"]).resolve())
    (out / MANIFEST).write_text(json.dumps(manifest))
    return out


def refused(path: Path, severity: str = "fail") -> set[str]:
    """Return the rules that a saved evaluation breaks."""
    (table,) = read_report_tables(path)
    return {found.rule for found in check(table) if found.severity == severity}


def rewrite(path: Path, change) -> Path:
    """Change the report alone, as JSON outside its artifact: nothing but what it says counts."""
    content = json.loads((path / REPORT_FILE).read_text())
    change(content)
    out = path / "claimed.json"
    out.write_text(json.dumps(content))
    return out


def test_a_sound_evaluation_is_not_refused(sound):
    (table,) = read_report_tables(sound)
    assert check(table) == []
    assert set(table.lineage.paths) == {"base", "index", "data"}


def test_a_sound_evaluation_by_time_is_not_refused(later_data, tmp_path):
    """Several targets a user: the bounds of one target do not hold, and are not asked for."""
    build_index(later_data, tmp_path / "index", CONFIG)
    out = evaluate_toy(later_data, tmp_path / "evaluation", tmp_path / "index")
    (table,) = read_report_tables(out)
    assert not any(row.has_one_target for row in table.rows)
    assert check(table) == []


def test_the_report_alone_can_be_checked(sound):
    assert refused(sound / REPORT_FILE) == set()


# --- what the report says


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda report: report.update(num_beams=5), "beams"),
        (lambda report: report.update(level="semantic ID"), "item-level"),
        (lambda report: report.pop("level"), "item-level"),
        (lambda report: report["rankers"].pop("repeat-last"), "floor"),
        (
            lambda report: report["rankers"]["item-knn"]["filtered"].update(duplicate_rate=0.01),
            "valid-lists",
        ),
        (lambda report: report.update(num_ranked=101), "whole-catalogue"),
        (lambda report: report.update(tied_share=0.29, tie_order=None), "ties"),
        (lambda report: report.update(tied_share=0.02, tie_order=None), "ties"),
        (
            lambda report: report["provenance"]["item-knn"].update(negatives={"upto": "test"}),
            "negatives-leak",
        ),
        (
            lambda report: report["provenance"]["popularity"]["item_counts"].update(upto="test"),
            "counts-leak",
        ),
        (
            lambda report: report["provenance"]["popularity"]["item_counts"].update(upto="some"),
            "counts-leak",
        ),
    ],
)
def test_what_a_report_admits(copy, change, rule):
    assert refused(rewrite(copy, change)) == {rule}


def test_a_baseline_that_says_nothing_of_its_sources_is_told(copy):
    """The ranker under test need not: its run is traced."""
    (claimed,) = read_report_tables(rewrite(copy, lambda report: report["provenance"].clear()))
    under_test, *baselines = claimed.report["rankers"]
    assert under_test == claimed.rows[0].model and baselines
    found = [each for each in check(claimed) if each.rule == "learned-from"]
    assert [each.where for each in found] == baselines
    assert {each.severity for each in found} == {"warn"}


def test_ties_in_the_order_of_the_file_are_told_but_not_refused(copy):
    claimed = rewrite(copy, lambda report: report.update(tied_share=0.29))
    assert refused(claimed) == set()
    assert refused(claimed, "warn") == {"ties"}


def test_few_ties_are_no_fault(copy):
    claimed = rewrite(copy, lambda report: report.update(tied_share=0.01, tie_order=None))
    assert refused(claimed) == refused(claimed, "warn") == set()


def test_beams_are_those_of_the_ranker_under_test(copy):
    """The baselines beside it score every item."""
    (claimed,) = read_report_tables(rewrite(copy, lambda report: report.update(num_beams=5)))
    found = {each.where for each in check(claimed) if each.rule == "beams"}
    assert found == {row.where for row in claimed.rows if row.model == claimed.rows[0].model}


# --- what the artifacts say, whatever the report does


def test_a_changed_report_is_refused(copy):
    content = json.loads((copy / REPORT_FILE).read_text())
    content["rankers"]["item-knn"]["filtered"]["mrr@10"]["mean"] += 1e-6
    (copy / REPORT_FILE).write_text(json.dumps(content))
    (table,) = read_report_tables(copy)
    found = {each.where for each in check(table) if each.rule == "record"}
    assert found == {str(copy), "item-knn · seen filtered · mrr@10"}


def test_counts_with_held_out_events_are_refused(toy_data, index, tmp_path):
    """The report claims the train split; the counts themselves tell."""

    class Leaky(Dataset):
        def interactions(self, upto):
            return super().interactions("test")

    rankers = fit_baselines(Leaky(toy_data.path, toy_data.manifest))
    report = compare(rankers, toy_data, "test", k=10)
    run = make_run(tmp_path / "run", index)
    save_evaluation(report, tmp_path / "evaluation", {"run": run, "data": toy_data.path})
    assert report.to_json()["provenance"]["popularity"]["item_counts"]["upto"] == "train"
    (table,) = read_report_tables(tmp_path / "evaluation")
    found = check(table)
    assert {each.rule for each in found} == {"counts-leak"}
    assert all("those of all events up to 'test'" in each.what for each in found)


def test_counts_of_no_split_are_refused(toy_data, index, tmp_path):
    rankers = fit_baselines(toy_data)
    rankers[0].provenance["item_counts"]["hash"] = "0"
    run = make_run(tmp_path / "run", index)
    report = compare(rankers, toy_data, "test", k=10)
    save_evaluation(report, tmp_path / "evaluation", {"run": run, "data": toy_data.path})
    (table,) = read_report_tables(tmp_path / "evaluation")
    (found,) = check(table)
    assert (found.rule, found.where) == ("counts-leak", "popularity · item_counts")
    assert "those of no split" in found.what


def test_counts_may_know_validation_when_the_question_is_test(toy_data):
    train, valid = (
        hash_counts(np.bincount(toy_data.interactions(split).item_index, minlength=240))
        for split in ("train", "valid")
    )
    assert train != valid
    assert ItemKNN.fit(toy_data).provenance["item_counts"]["hash"] == train


def test_ids_that_know_held_out_events_are_refused(toy_data, tmp_path):
    """Nothing in the leaky index says so: its vectors are made again and compared."""

    class Leaky(Dataset):
        def interactions(self, upto):
            return super().interactions("test")

    build_index(Leaky(toy_data.path, toy_data.manifest), tmp_path / "index", CONFIG)
    out = evaluate_toy(toy_data, tmp_path / "evaluation", tmp_path / "index")
    assert refused(out) == {"index-leak"}


def test_ids_of_other_data_are_refused(toy, toy_data, tmp_path):
    """Another split of the same events: what is held out here was trained on there."""
    config = PrepareConfig(split="global-time")
    prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", tmp_path / "other", config)
    build_index(Dataset.load(tmp_path / "other"), tmp_path / "index", CONFIG)
    out = evaluate_toy(toy_data, tmp_path / "evaluation", tmp_path / "index")
    assert "index-leak" in refused(out)


def test_an_index_that_says_it_read_test_events_is_refused(index, toy_data, tmp_path):
    shutil.copytree(index, tmp_path / "index")
    manifest = json.loads((index / MANIFEST).read_text())
    manifest["config"]["learned_from"] = "test"
    manifest["parents"]["data"]["path"] = str(toy_data.path.resolve())
    (tmp_path / "index" / MANIFEST).write_text(json.dumps(manifest))
    out = evaluate_toy(toy_data, tmp_path / "evaluation", tmp_path / "index")
    assert refused(out) == {"index-leak"}


def test_vectors_that_nobody_can_make_again_are_told(index, toy_data, tmp_path):
    shutil.copytree(index, tmp_path / "index")
    manifest = json.loads((index / MANIFEST).read_text())
    manifest["parents"]["data"]["path"] = str(toy_data.path.resolve())
    del manifest["config"]["learned_from"]
    (tmp_path / "index" / MANIFEST).write_text(json.dumps(manifest))
    vectors = np.load(index / "vectors.npy")
    np.save(tmp_path / "index" / "vectors.npy", vectors[::-1])
    out = evaluate_toy(toy_data, tmp_path / "evaluation", tmp_path / "index")
    assert refused(out) == set()
    assert refused(out, "warn") == {"index-leak"}


def test_shared_ids_and_missing_items_are_refused(index, toy_data, tmp_path):
    codes = load_file(index / CODES_FILE)["codes"]
    codes[1] = codes[0]
    spoilt = respell(index, tmp_path / "shared", toy_data, codes=codes)
    out = evaluate_toy(toy_data, tmp_path / "evaluation", spoilt)
    assert refused(out) == {"shared-ids"}


def test_items_without_an_id_are_refused(index, toy_data, tmp_path):
    item_ids = json.loads((index / "item_ids.json").read_text())[:-5]
    codes = load_file(index / CODES_FILE)["codes"][:-5]
    spoilt = respell(index, tmp_path / "fewer", toy_data, codes=codes, item_ids=item_ids)
    out = evaluate_toy(toy_data, tmp_path / "evaluation", spoilt)
    assert refused(out) == {"whole-catalogue"}


def respell(index: Path, out: Path, data: Dataset, codes, item_ids=None) -> Path:
    """Write an index with other codes, whole in itself."""
    with write_aside(out) as directory:
        shutil.copytree(index, directory, dirs_exist_ok=True)
        save_file({"codes": np.ascontiguousarray(codes)}, directory / CODES_FILE)
        if item_ids is not None:
            (directory / "item_ids.json").write_text(json.dumps(item_ids))
        config = json.loads((index / MANIFEST).read_text())["config"]
        content = ["item_ids.json", CODES_FILE]
        write_manifest(directory, out, "index", config, content, {"data": data.path})
    return out


def test_parents_that_are_gone_are_told(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "evaluation")
    assert refused(tmp_path / "evaluation") == set()
    assert refused(tmp_path / "evaluation", "warn") == {"lineage"}


def test_targets_that_hang_on_the_order_of_lines(tmp_path):
    """Two of four users have their last two events at one time; one more has his first two."""
    times = {"a": (1, 2, 3, 3), "b": (1, 2, 3, 4), "c": (5, 6, 7, 7), "d": (1, 1, 2, 3)}
    rows = ["user_id,item_id,timestamp"]
    for user, moments in times.items():
        rows += [f"{user},i{place},{moment}" for place, moment in enumerate(moments)]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    prepare(tmp_path / "events.csv", None, tmp_path / "data")
    data = Dataset.load(tmp_path / "data")
    assert tied_share(data, "test") == tied_share(data, "valid") == 0.5
    report = compare(fit_baselines(data), data, "test", k=2)
    save_evaluation(report, tmp_path / "evaluation", {"data": data.path})
    assert refused(tmp_path / "evaluation", "warn") == {"ties"}
    assert refused(tmp_path / "evaluation") == set()


def test_every_check_says_what_it_asks_for():
    assert all(rule.__doc__ for rule in CHECKS)
    assert len({rule.__name__ for rule in CHECKS}) == len(CHECKS)
