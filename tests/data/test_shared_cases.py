"""Logs as people really have them, on which an early version failed: read where they lie.

Each is read by the command that ``genrec inspect`` proposes for it.
"""

import json
import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genrec.cli import app
from genrec.data.inspect import inspect
from tests.conftest import ROOT

CASES = Path(os.environ.get("GENREC_CASES", ROOT.parent / "shared" / "cases"))

# What is read of each: events, items, and event rows that are rejected.
FOUND = {
    ("06-quote-that-closes-rows-later/events.csv",): (4, 3, 1),
    ("06-quote-that-closes-rows-later/qe.tsv",): (4, 3, 1),
    ("06-quote-that-closes-rows-later/ev.csv", "06-quote-that-closes-rows-later/items.tsv"): (
        *(2, 3, 1),  # The event of the item whose own line is broken is told as such.
    ),
    ("07-dates-as-yyyymmdd/events.csv",): (3, 3, 0),
    ("09-parquet-decimal-ids/events.parquet",): (4, 3, 0),
    ("12-categories-as-a-list-in-text/ev.csv", "12-categories-as-a-list-in-text/items.csv"): (
        *(3, 3, 0),
    ),
    ("18-no-header/amazon.csv",): (2, 2, 0),
    ("18-no-header/numbers.csv",): (3, 2, 0),
    ("21-spreadsheets-and-dumps/blank.csv",): (1, 1, 0),
    ("21-spreadsheets-and-dumps/cat.json",): (2, 2, 0),
    ("21-spreadsheets-and-dumps/comment.csv",): (1, 1, 0),
    ("21-spreadsheets-and-dumps/cr.csv",): (2, 2, 0),
    ("21-spreadsheets-and-dumps/pretty.json",): (1, 1, 0),
    ("21-spreadsheets-and-dumps/sep.csv",): (1, 1, 0),
    ("21-spreadsheets-and-dumps/trail.csv",): (2, 2, 0),
    ("23-retailrocket/events.csv",): (3, 3, 0),
    ("23-retailrocket/renamed.csv",): (3, 3, 0),
    ("33-backslash-quotes/events.csv",): (4, 2, 0),
    **{
        (name, "items.jsonl"): (90, 20, 0)
        for name in (
            *("c10_rr.csv", "c3_semi.csv", "c4_ms.csv", "c6_ml.csv", "c7_nots.csv"),
            *("c8_array.json", "c9_floatid.csv", "d2_latin_nonl.csv", "d4_nl_escaped.csv"),
        )
    },
}


@pytest.fixture(scope="module")
def cases():
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}; set GENREC_CASES")
    return CASES


@pytest.mark.parametrize("names", FOUND, ids=lambda names: names[0])
def test_a_case_is_read_by_the_command_that_inspect_proposes(cases, tmp_path, names):
    command = inspect([cases / name for name in names], out=str(tmp_path / "data")).command
    # Of a handful of rows one broken line is more than the share that is let pass.
    words = [*shlex.split(command)[1:], "--set", "max_reject_share=0.5"]
    result = CliRunner().invoke(app, words)
    assert result.exception is None, (command, result.exception)
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    rejected = sum(report["event_rejects"].values())
    assert (report["events"], report["items"], rejected) == FOUND[names], command
    # Before 1990, and not because the user asked for the order of the rows.
    counter = report["last_timestamp"] < 631_152_000 and "--order file" not in command
    assert any("before 1990" in warning for warning in report["warnings"]) == counter
