"""Progress where standard error is no terminal."""

import io
import re
import time

import pytest
from rich.console import Console

from genrec import progress as module


@pytest.fixture
def log(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=out, force_terminal=False, width=200))
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.05)
    return out


def test_a_line_every_so_often_with_speed_and_time_left(log):
    for _ in module.track(range(30), "training"):
        time.sleep(0.01)
    lines = log.getvalue().splitlines()
    assert 2 <= len(lines) < 30, "a line every so often, not one for each step"
    for line in lines:
        found = re.fullmatch(
            r"training · (\d+) of 30 · ([\d.]+) a second · 0:00:0\d gone · about 0:00:0\d left",
            line,
        )
        assert found, line
        assert 20 < float(found[2]) <= 101


def test_a_line_also_while_nothing_moves(log):
    with module.working("making the base"):
        time.sleep(0.3)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 2 and set(lines) == {"making the base · 0:00:00 gone"}
    time.sleep(0.2)
    assert log.getvalue().splitlines() == lines


def test_what_was_done_before_does_not_count_as_speed(log):
    with module.progress() as bar:
        task = bar.add_task("users", total=1000, completed=900, note="")
        for _ in range(10):
            bar.update(task, advance=1, note="loss 0.5")
            time.sleep(0.02)
    line = log.getvalue().splitlines()[-1]
    speed = float(re.search(r"([\d.]+) a second", line)[1])
    assert speed < 100 and line.endswith("left · loss 0.5"), line


def test_only_the_first_of_several_processes_says_it(log, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with module.working("training"):
        time.sleep(0.2)
    assert log.getvalue() == ""


def test_short_work_says_nothing(log):
    assert list(module.track([1, 2], "short")) == [1, 2]
    assert log.getvalue() == ""
