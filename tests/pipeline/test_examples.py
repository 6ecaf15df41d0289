"""`make demo` ends well, and the documentation shows what its run prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.site.examples import (
    GATEWAY,
    ROOT,
    agreement,
    find_examples,
    lay_out,
    run_example,
    serving,
    shape,
)

ENOUGH, ENOUGH_OF_A_MODEL, ENOUGH_OF_ITS_SHAPE = 0.95, 0.3, 0.8
"""Of an example's lines; of those that a trained model has a say in; of their keys and heads.

Processors that round differently train models that recommend other items.
"""


@pytest.fixture(scope="module")
def demo(make_once) -> Path:
    """A folder with ``runs/demo``, made by the very commands of `make demo`."""
    return make_once("demo", _make_demo)


def _make_demo(folder: Path) -> None:
    folder.mkdir()
    for name in ("train", "docs", "tests", "prompts"):
        (folder / name).symlink_to(ROOT / name)
    bin_folder = Path(sys.executable).parent
    printed = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "demo", f"BIN={bin_folder}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    recipe = printed.stdout[printed.stdout.index("rm -rf runs/demo") :]
    done = subprocess.run(
        ["bash", "-ec", recipe], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (folder / "printed.txt").write_text(done.stdout)


@pytest.fixture(scope="module")
def gateway(demo):
    with serving(demo) as address:
        yield address


def test_the_documentation_shows_what_commands_print(demo, gateway):
    """In one test: later requests to the gateway build on what earlier ones left there."""
    wrong = {}
    for example in find_examples():
        printed = run_example(example, demo, gateway)
        by_model = "runs/demo" in example.command or GATEWAY in example.command
        share, shown = agreement(example.shown, printed), shape(example.shown)
        is_close = share >= (ENOUGH_OF_A_MODEL if by_model else ENOUGH)
        if not is_close or len(shown - shape(printed)) > (1 - ENOUGH_OF_ITS_SHAPE) * len(shown):
            wrong[f"{example.page.name}: {example.command}"] = (round(share, 2), printed)
    assert not wrong, "run `make demo examples`"


def test_the_python_of_the_readme_runs(demo, monkeypatch, capsys):
    monkeypatch.chdir(demo)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 6


def test_agreement_counts_lines_and_compares_numbers():
    shown = ["┃ # ┃ item ┃", "│ 1 │ P013 Kettle │ -0.21 │", "…", "│ 9 │ P014 Pot │ 12.5 │"]
    assert agreement(shown, shown) == 1
    near = ["┃ #  ┃ item ┃", "│ 1 │ P013  Kettle │ -0.30 │", "x", "│ 9 │ P014 Pot │ 13 │", "y"]
    assert agreement(shown, near) == 1
    assert agreement(shown, [line.replace("12.5", "99") for line in shown]) == pytest.approx(2 / 3)
    assert agreement(shown, [line.replace("P013", "P015") for line in shown]) == pytest.approx(
        2 / 3
    )
    assert agreement(shown, []) == 0


def test_the_shape_is_keys_and_heads():
    lines = ["┏━━┓", "┃ item  ┃ title ┃", "│ P1 │ Pot │", '{"a": [{"b_c": 1}],', '"d": "e:"}']
    assert shape(lines) == {"item title", "a", "b_c", "d"}


def test_examples_are_found_with_their_commands(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "a\n\n```text\n$ curl -s x \\\n    -d '{\n  \"a\": 1}'\n{}\n```\n```text\nno\n```\n"
    )
    (example,) = find_examples([page])
    assert example.command == "curl -s x \\\n    -d '{\n  \"a\": 1}'" and example.shown == ["{}"]
    assert example.text in page.read_text()


def test_long_answers_are_cut():
    laid = lay_out(
        {"items": [{"title": "x" * 50, "n": number, "y": "z" * 40} for number in range(5)]}
    )
    assert laid.count("title") == 2 and "…" in laid
