import json
from dataclasses import astuple
from statistics import stdev

import numpy as np
import pytest
from rich.console import Console

from genrec.baselines import fit_baselines
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.data.toy import ToyConfig, write_toy
from genrec.errors import ArtifactError, ConfigError
from genrec.evaluate import compare, compare_saved, save_evaluation
from genrec.evaluate.bootstrap import paired_difference
from genrec.evaluate.saved import load_evaluation


class Shuffled:
    """A poor ranker that differs from seed to seed."""

    name = "shuffled"

    def __init__(self, ranker, seed: int) -> None:
        self._ranker = ranker
        self._rng = np.random.default_rng(seed)

    def rank_many(self, requests, k):
        answers = self._ranker.rank_many(requests, 2 * k)
        return [[row[place] for place in self._rng.permutation(2 * k)[:k]] for row in answers]


@pytest.fixture(scope="module")
def evaluations(toy_data, tmp_path_factory):
    """Folders "whole", "sample", "valid", "last", "short"; "seeds" with three evaluations in it."""
    root = tmp_path_factory.mktemp("evaluations")
    parents = {"data": toy_data.path}
    baselines = fit_baselines(toy_data)
    save_evaluation(compare(baselines, toy_data, "test"), root / "whole", parents)
    sample = compare(baselines, toy_data, "test", max_users=60)
    save_evaluation(sample, root / "sample", parents)
    save_evaluation(compare(baselines[:1], toy_data, "valid"), root / "valid", parents)
    last = compare(baselines[:1], toy_data, "test", ask_at="last")
    save_evaluation(last, root / "last", parents)
    short = compare(baselines[:1], toy_data, "test", last_events=1)
    save_evaluation(short, root / "short", parents)
    for seed in range(3):
        report = compare([Shuffled(baselines[2], seed)], toy_data, "test", k=10)
        save_evaluation(report, root / "seeds" / f"seed-{seed}", parents)
    return root


def test_the_difference_is_the_paired_one(evaluations, toy_data):
    whole = evaluations / "whole"
    found = compare_saved(whole, whole, "item-knn", "popularity")
    results = {
        (each.ranker, each.filter_seen): each.per_user
        for each in compare(fit_baselines(toy_data), toy_data, "test").evaluations
    }
    for line in found.lines:
        ours = results["item-knn", line.filter_seen][line.metric]
        theirs = results["popularity", line.filter_seen][line.metric]
        assert line.difference == paired_difference(ours, theirs)
        assert (line.first, line.second) == pytest.approx((ours.mean(), theirs.mean()))
    assert found.num_users == 150
    assert len(found.lines) == 24


def test_users_are_matched_by_id(evaluations):
    """A sample against everybody: only those in both, in whatever order they stand."""
    found = compare_saved(evaluations / "sample", evaluations / "whole", "item-knn")
    assert found.num_users == 60
    assert all(line.difference.low == line.difference.high == 0 for line in found.lines)


def test_seeds_are_averaged_and_their_spread_is_shown(evaluations):
    found = compare_saved(evaluations / "seeds", evaluations / "whole", other="item-knn")
    assert "3 seeds" in found.first
    line = next(each for each in found.lines if each.metric == "recall@10" and each.filter_seen)
    seeds = [
        load_evaluation(evaluations / "seeds" / f"seed-{seed}").per_user("shuffled", True)
        for seed in range(3)
    ]
    ours = [metrics["recall@10"] for metrics in seeds]
    whole = load_evaluation(evaluations / "whole").per_user("item-knn", True)["recall@10"]
    assert line.first_spread == pytest.approx(stdev(float(each.mean()) for each in ours))
    assert line.second_spread is None
    expected = paired_difference(sum(ours) / 3, whole)
    assert astuple(line.difference) == pytest.approx(astuple(expected))
    assert line.difference.high < 0
    assert {each.metric.partition("@")[2] for each in found.lines} == {"1", "5", "10"}


def test_the_first_ranker_and_the_same_name_are_the_default(evaluations):
    found = compare_saved(evaluations / "whole", evaluations / "sample")
    assert (found.first, found.second) == ("whole:popularity", "sample:popularity")


def test_other_questions_are_refused(evaluations, tmp_path):
    with pytest.raises(ArtifactError, match="split"):
        compare_saved(evaluations / "whole", evaluations / "valid")
    with pytest.raises(ArtifactError, match="moment of asking"):
        compare_saved(evaluations / "whole", evaluations / "last")
    with pytest.raises(ArtifactError, match="number of events known"):
        compare_saved(evaluations / "whole", evaluations / "short")
    write_toy(tmp_path / "raw", ToyConfig(num_users=40, seed=9))
    raw = tmp_path / "raw"
    prepare(raw / "events.csv.gz", raw / "items.jsonl.gz", tmp_path / "data")
    other = Dataset.load(tmp_path / "data")
    report = compare(fit_baselines(other), other, "test")
    save_evaluation(report, tmp_path / "other", {"data": other.path})
    with pytest.raises(ArtifactError, match="data"):
        compare_saved(evaluations / "whole", tmp_path / "other")


def test_other_targets_are_refused(evaluations, toy_data, tmp_path):
    report = compare(fit_baselines(toy_data), toy_data, "test")
    report.evaluations[0].targets[3] += 1
    save_evaluation(report, tmp_path / "other", {"data": toy_data.path})
    with pytest.raises(ArtifactError, match="other targets"):
        compare_saved(evaluations / "whole", tmp_path / "other")


def test_missing_things_are_told(evaluations, tmp_path):
    with pytest.raises(ConfigError, match="item-knn"):
        compare_saved(evaluations / "whole", evaluations / "whole", "sasrec")
    with pytest.raises(ArtifactError, match="no evaluation"):
        compare_saved(tmp_path, evaluations / "whole")
    with pytest.raises(ArtifactError, match="does not exist"):
        compare_saved(evaluations / "whole", tmp_path / "nothing")


def test_table_and_json_say_the_same(evaluations):
    found = compare_saved(evaluations / "seeds", evaluations / "whole", other="item-knn")
    console = Console(width=120)
    with console.capture() as capture:
        console.print(found.table())
    content = json.loads(json.dumps(found.to_json()))
    line = content["filtered"]["ndcg@10"]
    assert f"{line['difference']['mean']:+.4f}" in capture.get()
    assert f"± {line['first_spread']:.4f}" in capture.get()
    assert content["split"] == "test"


@pytest.mark.parametrize(
    ("first", "second"), [("item-knn", "popularity"), ("popularity", "item-knn")]
)
def test_a_lead_and_a_lag_beyond_chance_are_bold(evaluations, first, second):
    found = compare_saved(evaluations / "whole", evaluations / "whole", first, second)
    line = next(each for each in found.lines if each.metric == "ndcg@10" and each.filter_seen)
    assert line.difference.low > 0 or line.difference.high < 0
    cells = [
        cell for cell in found.table().columns[3].cells if getattr(cell, "style", "") == "bold"
    ]
    assert f"{line.difference.mean:+.4f}" in map(str, cells)
