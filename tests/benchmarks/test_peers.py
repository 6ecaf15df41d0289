"""The same job in other libraries: what is counted, what is judged, and its section."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import results_page
from benchmarks.peers import timed
from benchmarks.peers.code_lines import count_code_lines
from benchmarks.peers.inputs import UNKNOWN, write_job
from benchmarks.peers.judge import accuracy, judge, ndcg, read_lists
from benchmarks.peers.section import ODD, RESULTS, write_section
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.data.toy import ToyConfig, write_toy

SOURCE = '''"""A script.

With an explanation.
"""

import os  # a remark


def greet(
    name,
):
    """Say hello."""
    # Politely.
    text = """
    Hello
    """

    print(name,
          text)


class Guest:
    """Is greeted."""

    "not a docstring"
'''
SCRIPT = """
import time, pyarrow as pa, pyarrow.parquet as pq

def fit(events, items):
    return pq.read_table(items)["item_id"][0].as_py()

def recommend(model, histories, out):
    users = set(pq.read_table(histories)["user_id"].to_pylist())
    if users == {"nobody"}:
        raise ValueError("nobody")
    end = time.process_time() + 1.6 * (len(users) == 2)
    while time.process_time() < end:
        pass
    pq.write_table(pa.table({"user_id": sorted(users), "item_id": [model] * len(users)}), out)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    raw = tmp_path_factory.mktemp("peers") / "raw"
    write_toy(raw, ToyConfig(num_users=12))
    prepare(raw / "events.csv.gz", raw / "items.jsonl.gz", raw.parent / "data")
    return Dataset.load(raw.parent / "data")


def rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def test_lines_of_code_are_those_that_hold_code():
    assert count_code_lines(SOURCE) == 11
    assert count_code_lines('"""Nothing."""\n# Nothing.\n') == 0


def test_the_job_holds_no_test_event_and_none_of_a_new_item(data, tmp_path):
    new = write_job(data, tmp_path / "job", users=30)
    asked = {path.stem: rows(path) for path in (tmp_path / "job" / "histories").iterdir()}
    given = rows(tmp_path / "job" / "events.parquet")
    assert given == asked["known"]
    kept = [
        (event.user_id, event.item_id, event.timestamp)
        for history in data.histories("valid")
        for event in history.events
        if event.item_id not in new
    ]
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in given] == kept
    assert {row["user_id"] for row in asked["many"]} == {f"user-{number}" for number in range(30)}
    catalogue = {row["item_id"] for row in rows(tmp_path / "job" / "items.parquet")}
    assert len(new) == 12 and catalogue >= {*new} and UNKNOWN not in catalogue
    assert [row["item_id"] for row in asked["only_new"]] == new[:1]
    assert [row["item_id"] for row in asked["only_unknown"]] == [UNKNOWN]
    assert [row["item_id"] for row in asked["partly_unknown"]].index(UNKNOWN) > 0
    assert {*asked} == {"known", "many", *ODD}


def test_a_script_is_timed_killed_and_asked_again(data, tmp_path, monkeypatch):
    folder, out = tmp_path / "job", tmp_path / "out"
    write_job(data, folder, users=2)
    out.mkdir()
    nobody = pa.table({"user_id": ["nobody"], "item_id": ["none"]})
    pq.write_table(nobody, folder / "histories" / "only_unknown.parquet")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = ["timed", tmp_path / "script.py", folder, out, "--libraries", "pyarrow"]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    timed.main()
    result = json.loads((out / "result.json").read_text())
    assert result["jobs"]["only_unknown"] == {"error": "ValueError"}
    assert result["versions"] == {"pyarrow": pa.__version__}
    assert 1.6 <= result["jobs"]["many"]["cpu_s"] < 3
    assert result["share_done_anew"] == pytest.approx(1, abs=0.3)
    judged = judge(result, out, users=2, new=["none", rows(out / "many.parquet")[0]["item_id"]])
    assert judged["odd_users"] == {"only_new": 1, "only_unknown": "ValueError", "partly_unknown": 1}
    assert (judged["new_items_recommended"], judged["share_of_new_items"]) == (1, 1.0)
    assert judged["columns"] == ["user_id", "item_id"] and judged["answered_users"] == 12
    assert judged["users_per_cpu_s"] == 2 / result["jobs"]["many"]["cpu_s"]


def test_answers_are_judged_by_hand_computed_numbers(tmp_path):
    pairs = [("ann", "a"), ("ann", "b"), ("bob", "new"), ("bob", "c")]
    users, items = zip(*pairs, strict=True)
    pq.write_table(pa.table({"user_id": users, "item_id": items}), tmp_path / "known.parquet")
    lists = read_lists(tmp_path / "known.parquet")
    gains = ndcg(lists, {"ann": "b", "bob": "new", "eve": "a", "kim": "z"})
    assert gains.tolist() == pytest.approx([0.6309, 1, 0, 0], abs=1e-4)
    found = accuracy({"genrec": gains, "other": gains * 0}, "genrec")
    assert found["genrec"]["lead"] is None
    assert found["other"]["lead"]["mean"] == found["genrec"]["ndcg@10"]["mean"] == gains.mean()


def test_the_page_has_the_section_that_the_saved_numbers_give():
    section = write_section(json.loads(RESULTS.read_text(encoding="utf-8")))
    page = (results_page.ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert section in page
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {5}


def test_the_lines_on_the_page_are_those_of_the_scripts():
    for name, found in json.loads(RESULTS.read_text(encoding="utf-8"))["libraries"].items():
        script = RESULTS.with_name(f"with_{name}.py").read_text(encoding="utf-8")
        assert found["code_lines"] == count_code_lines(script)
