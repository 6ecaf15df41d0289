"""The results page from two rankers, saved as a user would save them."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import results_page
from benchmarks.language.columns import place
from benchmarks.results_read import read_results
from genrec.baselines import fit_baselines
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.data.toy import ToyConfig, write_toy
from genrec.errors import ArtifactError
from genrec.evaluate import compare, compare_saved, save_evaluation
from genrec.evaluate.bootstrap import paired_difference
from genrec.evaluate.saved import load_evaluation
from genrec.schema import Recommendation
from genrec.zero_shot.position_bias import PositionBias
from genrec.zero_shot.usage import Usage

NAME = "amazon14_beauty"
"""A data set that others published numbers for; what lies in it here is the toy world."""


class Shuffled:
    """Gives allowed items in a random order."""

    def __init__(self, name: str, data: Dataset, seed: int) -> None:
        self.name, self._ids = name, list(data.item_index)
        self._rng = np.random.default_rng(seed)
        self.provenance = {"behaviour": {"upto": "train"}}

    def rank_many(self, requests, k):
        return [self._answer(request, k) for request in requests]

    def _answer(self, request, k):
        seen = {e.item_id for e in request.history.events} if request.filter_seen else set()
        allowed = [item_id for item_id in self._rng.permutation(self._ids) if item_id not in seen]
        return [
            Recommendation(str(each), rank, 1 / rank) for rank, each in enumerate(allowed[:k], 1)
        ]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("page") / "raw"
    write_toy(raw, ToyConfig(num_users=60))
    prepare(raw / "events.csv.gz", raw / "items.jsonl.gz", raw.parent / "data")
    save(Dataset.load(raw.parent / "data"), raw.parent / "results" / NAME)
    return raw.parent / "results"


def save(data: Dataset, out: Path, last_events: int | None = None, ask_at="target") -> None:
    for name, seeds in (("genrec", 2), ("tiger", 1)):
        for seed in range(seeds):
            rankers = [Shuffled(name, data, seed), *fit_baselines(data)]
            report = compare(rankers, data, "test", ask_at=ask_at, last_events=last_events)
            recipe = {"seed": seed, "device": "cpu", "settings": {"width": 8}}
            curve = [{"epoch": epoch, "loss": 1.0, "ndcg@10": epoch / 50} for epoch in (1, 2, 3)]
            save_evaluation(report, out / name / str(seed), {"data": data.path}, recipe, curve)


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["results_page", *map(str, arguments)])
    results_page.main()


def row_of(page: str, name: str) -> list[str]:
    (line,) = [
        line for line in page.splitlines() if re.match(rf"\| \**{name}\** \| [\d–]+ \| 0", line)
    ]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_says_what_the_files_say(root, tmp_path, monkeypatch):
    run(monkeypatch, root, "--page", tmp_path / "docs" / "results.md")
    page = (tmp_path / "docs" / "results.md").read_text()
    place = root / NAME
    for name, other in (("tiger", "tiger"), ("popularity", "genrec")):
        comparison = compare_saved(place / "genrec", place / other, other=name)
        found = {(line.metric, line.filter_seen): line for line in comparison.lines}
        ours, theirs = row_of(page, "genrec"), row_of(page, name)
        shown = [("recall@5", True), ("ndcg@5", True), ("recall@10", True), ("ndcg@10", True)]
        for cell, key in enumerate([*shown, ("recall@10", False), ("ndcg@10", False)], start=2):
            line = found[key]
            assert ours[cell] == f"{line.first:.4f} ± {line.first_spread:.4f}"
            assert theirs[cell] == f"{line.second:.4f}"
        lead = found["ndcg@10", True].difference
        assert theirs[-1] == f"{lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"
    assert row_of(page, "genrec")[1] == "2" and row_of(page, "item-knn")[1] == "–"
    assert row_of(page, "genrec")[-1] == ""
    scores = [float(row_of(page, each.name)[5].split()[0]) for each in read_results(root)[0].rows]
    assert scores == sorted(scores, reverse=True)
    (results,) = read_results(root)
    for origin in results.origins:
        assert origin.manifest.parents["data"]["content_hash"] in page
        assert f"torch {origin.manifest.versions['torch']}" in page
    assert "published by others" in page and '`{"width": 8}` (seed 0, 1)' in page
    assert str(root.parent) not in page
    for file in re.findall(r"\]\((images/[^)]+)\)", page):
        assert (tmp_path / "docs" / file).read_bytes().startswith(b"\x89PNG")
    assert page.count("](images/") == 2


def test_short_histories_stand_in_one_table(root, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / NAME).symlink_to(root / NAME)
    data = Dataset.load(root.parent / "data")
    for known in (1, 2, 10):
        save(data, saved / f"{NAME}.last-{known}", known)
    shutil.rmtree(saved / f"{NAME}.last-2" / "tiger")
    results_page.write_page(saved, tmp_path / "page" / "results.md")
    page = (tmp_path / "page" / "results.md").read_text()
    short = page.partition(f"## {NAME}, short histories")[2]
    assert "| 1 known | 2 known | 10 known |" in short
    by_known = {results.last_events: results for results in read_results(saved)[1:]}
    for column, known in enumerate((1, 2, 10), start=2):
        for row in by_known[known].rows:
            mean = f"{row.means[True, 'ndcg@10'].mean:.4f}"
            assert row_of(short, row.name)[column].startswith(mean)
    assert " to " in row_of(short, "tiger")[2] and row_of(short, "tiger")[3] == "–"


def test_what_was_asked_at_the_last_event_stands_below(root, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / NAME).symlink_to(root / NAME)
    save(Dataset.load(root.parent / "data"), saved / f"{NAME}.at-last", ask_at="last")
    # Alphabetically between the two.
    (saved / f"{NAME}-2014").symlink_to(root / NAME)
    results_page.write_page(saved, tmp_path / "page" / "results.md")
    page = (tmp_path / "page" / "results.md").read_text()
    told, _, at_last = read_results(saved)
    assert "asked at the target event" in page and page.count(f"\n## {NAME}\n") == 1
    below = page.partition("(`--ask-at last`)")[2].splitlines()
    for row in at_last.rows:
        (same,) = [each for each in told.rows if each.name == row.name]
        means = [
            f"{each.means[True, metric].mean:.4f}"
            for each in (same, row)
            for metric in ("recall@10", "ndcg@10")
        ]
        assert any(row.name in line and " | ".join(means) in line for line in below)


def test_rows_that_were_asked_otherwise_stand_in_no_table(root, tmp_path):
    folder = tmp_path / "saved" / NAME
    folder.mkdir(parents=True)
    (folder / "sasrec").symlink_to(root / NAME / "tiger")
    save(Dataset.load(root.parent / "data"), tmp_path / "other", ask_at="last")
    (folder / "tiger").symlink_to(tmp_path / "other" / "tiger")
    with pytest.raises(ArtifactError, match="moment of asking"):
        read_results(tmp_path / "saved")


def test_the_same_files_give_the_same_page(root, tmp_path):
    for each in ("one", "two"):
        results_page.write_page(root, tmp_path / each / "results.md")
    for file in [path for path in (tmp_path / "one").rglob("*") if path.is_file()]:
        other = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_other_sections_of_the_page_are_kept(root, tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other"
    results_page.write_page(root, page)
    before = page.read_text()
    other.mkdir()
    (other / "another_set").symlink_to(root / NAME)
    results_page.write_page(other, page)
    after = page.read_text()
    assert after.count("\n## ") == before.count("\n## ") + 1
    assert after.index(f"\n## {NAME}\n") < after.index("\n## another_set\n")
    results_page.write_page(root, page)
    assert page.read_text() == after
    assert after.replace(after[after.index("## another_set") : after.index("## The same")], "") == (
        before
    )


def test_what_a_chat_model_was_asked_is_told(root, tmp_path):
    data = Dataset.load(root.parent / "data")
    bias = PositionBias()
    for first in (0, 1):
        bias.record([np.roll(np.arange(4), first)])
    asked = {
        "method": "logprob", "num_candidates": 4, "position_bias": bias.to_json(),
        "usage": Usage(tasks=1200, failed_tasks=3, prompt_tokens=5000, answer_tokens=70).to_json(),
    }  # fmt: skip
    report = compare([Shuffled("chat", data, 0)], data, "test", max_users=40)
    report = replace(report, setting={**report.setting, "zero_shot": asked})
    save_evaluation(report, tmp_path / "saved" / f"{NAME}.zero-shot" / "chat" / "0", {})
    results_page.write_page(tmp_path / "saved", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert f"## {NAME}, zero-shot" in page and "leave-one-out, 40 users" in page
    assert "1,200 lists asked for, 3 failed; 5,000 tokens read and 70 written" in page
    assert "ranked first for 50% (chance 25%)" in page


def test_what_language_buys_is_paired_by_seed_and_user(root, tmp_path):
    data = Dataset.load(root.parent / "data")
    folder = tmp_path / "language" / NAME
    for row, seeds in (("scratch", 2), ("alignment", 3)):
        for seed in range(seeds):
            ranker = Shuffled("genrec", data, 10 * seed + len(row))
            report = compare([ranker], data, "test", num_beams=20)
            save_evaluation(report, place(folder, row, "alone", "all") / str(seed), {})
    results_page.write_page(None, tmp_path / "page.md", folder.parent)
    page = (tmp_path / "page.md").read_text()
    assert page.index(f"## What language buys, {NAME}") < page.index("## The same job")

    seeds = [
        np.stack([load_evaluation(folder / row / "alone" / seed).per_user("genrec", True)["ndcg@10"]
                  for seed in ("0", "1")])
        for row in ("alignment", "scratch")
    ]  # fmt: skip
    more = paired_difference(seeds[0].mean(axis=0), seeds[1].mean(axis=0))
    shown = f"{more.mean:+.4f} ({more.low:+.4f} to {more.high:+.4f})"
    assert f"| alignment − scratch | alone | {shown} |" in page
    assert f"| scratch | alone | 2 | {seeds[1].mean():.4f} (" in page
    assert "pooled |" not in page and "| words |" not in page


def test_without_a_run_of_ours_there_is_no_lead(root, tmp_path):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "tiger").symlink_to(root / NAME / "tiger")
    (results,) = read_results(tmp_path)
    assert {row.lead for row in results.rows} == {None}


@pytest.mark.parametrize("make", [[], [NAME], [f"{NAME}/tiger"]])
def test_nothing_there_is_told_in_a_line(tmp_path, monkeypatch, make):
    for folder in make:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, tmp_path, "--page", tmp_path / "page.md")
    assert str(ended.value).startswith("error: ")
    assert not (tmp_path / "page.md").exists()
