"""Evaluations after a search and without one."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.baselines import fit_baselines
from genrec.evaluate import compare
from genrec.evaluate.report import mode_name
from genrec.evaluate.slices import by_search, split_by_search
from genrec.schema import Recommendation


class Searcher:
    """Finds the next item of those who searched, and of nobody else."""

    name = "searcher"

    def __init__(self, data):
        self._next = {e.history.user_id: e.targets[0].item_id for e in data.examples("test")}

    def rank_many(self, requests, k):
        return [
            [Recommendation(self._next[each.history.user_id], 1, 0.0)] if each.wish else []
            for each in requests
        ]


@pytest.fixture(scope="module")
def report(toy_data):
    return compare([Searcher(toy_data), *fit_baselines(toy_data)], toy_data, "test", k=10)


def test_users_are_told_apart_by_their_searches(report, toy_data):
    result = report.evaluations[0]
    parts = split_by_search(result)
    assert (parts["after a search"] ^ parts["without one"]).all()
    assert 5 < parts["after a search"].sum() < 0.4 * len(result.user_ids)
    means = by_search(result)
    assert means["after a search"]["recall@10"] == 1.0
    assert means["without one"]["recall@10"] == 0.0
    counts = [means[label]["num_users"] for label in parts]
    whole = sum(n * means[label]["recall@10"] for n, label in zip(counts, parts, strict=True))
    assert whole / sum(counts) == pytest.approx(result.per_user["recall@10"].mean())


def test_reports_show_both_kinds(report):
    told = report.to_json()["by_search"]
    assert set(told) == {each.ranker for each in report.evaluations}
    assert set(told["searcher"][mode_name(True)]) == {"after a search", "without one"}


def test_where_nobody_searched_nothing_is_told(report):
    result = replace(report.evaluations[0], searched=np.zeros(3, dtype=bool))
    assert split_by_search(result) == {} == by_search(result)
