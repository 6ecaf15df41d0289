"""What people and programs wrote is printed as it is: it is text, never markup."""

import io
import json
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.text import Text
from typer.testing import CliRunner

from genrec import progress
from genrec.cli import app, show
from genrec.data import Dataset
from genrec.progress import PlainConsole
from genrec.schema import Recommendation
from tests.little_run import make_little_base, train_little_run

HOSTILE = {
    "closing": "Red Album [/lp] [/b] [/]",
    "opening": "[b]Thing[/b] [vinyl] [link=http://x]y[/link]",
    "emoji": ":car: and :smiley:",
    "math": "$^$ costs $\\frac{ and _ %",
    "html": "a < b & <b>not bold</b>",
    "shell": "`rm -rf` $(date) 'x' \"y\"",
    "hebrew": "שלום world",
    "zero": "a\u200bb",
    "long": "x" * 10_000,
}
ACTIVE = {"ansi": "\x1b[31mred\x1b[0m \x9b2J \x07", "turned": "a\u202egpj.exe\u202c"}
TITLES = HOSTILE | ACTIVE


def printed(renderable) -> str:
    console = PlainConsole()
    console.file, console.width = io.StringIO(), 40_000
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("wrap", [str, Text])
def test_a_console_prints_text_as_it_is(title, wrap):
    assert printed(wrap(title)).rstrip("\n") == title


@pytest.mark.parametrize("title", ACTIVE.values(), ids=ACTIVE)
@pytest.mark.parametrize("wrap", [str, Text])
def test_what_a_terminal_would_act_on_is_left_out(title, wrap):
    out = printed(wrap(title))
    assert not any(ord(char) < 32 and char != "\n" or 127 <= ord(char) < 160 for char in out)
    assert "\u202e" not in out and ("[31mred" in out or "gpj.exe" in out)


@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE)
def test_a_table_prints_ids_and_titles_as_they_are(title):
    table = show.recommendations([Recommendation(title, 1, -0.5, title)], title)
    assert printed(table).count(title) == 3


SKUS = {f"sku[a{n}]": f"{t[:60]} {n}" for n, t in enumerate([*TITLES.values()] * 4)}
CATEGORIES = ("[/c0]", ":car:", "<i>x</i>")
USER = "[user3]"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small shop all of whose IDs and texts are hostile, with a trained run."""
    root = tmp_path_factory.mktemp("hostile [b]shop")
    items = [
        {"item_id": item_id, "title": title, "categories": [CATEGORIES[n % len(CATEGORIES)]]}
        for n, (item_id, title) in enumerate(SKUS.items())
    ]
    item_ids = list(SKUS)
    events = [
        {
            "user_id": f"[user{user}]",
            "item_id": item_ids[(user * 5 + place * 7) % len(item_ids)],
            "timestamp": 1_600_000_000 + 86_400 * place,
            "review": list(TITLES.values())[place % len(TITLES)][:60],
        }
        for user in range(12)
        for place in range(8)
    ]
    for name, rows in (("items[1].jsonl", items), ("events[b].jsonl", events)):
        (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_little_base(root, root / "events[b].jsonl", root / "items[1].jsonl")
    train_little_run(root)
    return root


@pytest.fixture
def run(shop, monkeypatch):
    """Run a command in this process, on a terminal that never folds; return all it printed."""
    for each in (show.output, progress.console):
        monkeypatch.setattr(each, "width", 40_000)

    def run(*arguments):
        words = [str(shop / part) if isinstance(part, Path) else str(part) for part in arguments]
        result = CliRunner().invoke(app, words)
        assert result.exception is None, (arguments, result.exception)
        return result.output

    return run


def shown(title: str) -> str:
    return title.replace("\u202e", "").replace("\u202c", "")


RUN, DATA, INDEX = Path("run"), Path("data"), Path("index")
ASKED = {
    "inspect": ("inspect", Path("events[b].jsonl"), Path("items[1].jsonl")),
    "recommend": ("recommend", "--run", RUN, "--user", USER, "-k", 36),
    "interests": ("interests", "--run", RUN, "--user", USER, "--plot", Path("[b]$x.svg")),
    "explain": ("explain", "--run", RUN, "--user", USER, "--item", "sku[a4]"),
    "prompt": ("prompt", "--run", RUN, "--user", USER),
    "demo": ("demo", "--run", RUN, "--user", USER),
    "evaluate": ("evaluate", "--run", RUN, "--out", Path("[/]saved")),
    "baseline": ("baseline", "text-similarity", "--data", DATA, "--index", INDEX),
    "graph": ("graph", "--data", DATA, "--index", INDEX, "--out", Path("graph[b].svg")),
    "graph of a user": ("graph", "--data", DATA, "--index", INDEX, "--user", USER),
    "graph of communities": ("graph", "--data", DATA, "--index", INDEX, "--communities"),
    "users": ("recommend", "--run", RUN, "--users", "all", "--out", Path("[b]recs.parquet")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_a_command_prints_nothing_that_a_terminal_would_act_on(run, name):
    out = run(*ASKED[name])
    assert not {char for char in out if unicodedata.category(char) == "Cc"} - {"\n"}
    assert "\u202e" not in out


def test_commands_print_titles_and_ids_as_they_are(run, shop):
    # Markup and control characters are taken out where the log is read, turns where it is printed.
    titles = {item.item_id: shown(item.title) for item in Dataset.load(shop / "data").items}
    out = run(*ASKED["recommend"])
    unseen = [item_id for item_id in titles if f" {item_id} " in out]
    assert len(unseen) == 36
    assert all(f" {titles[item_id]} " in out for item_id in unseen)
    assert f"Recommended to {USER}" in out
    told = run(*ASKED["explain"])
    assert f"Why {titles['sku[a4]']} for {USER}" in told
    assert f"Interests of {USER}" in run(*ASKED["interests"])
    story = run(*ASKED["demo"])
    history = Dataset.load(shop / "data").history(USER).events
    assert all(titles[event.item_id] in story for event in history)


def test_json_keeps_what_was_written(run, shop):
    titles = {item.item_id: item.title for item in Dataset.load(shop / "data").items}
    found = json.loads(run(*ASKED["recommend"], "--json"))
    assert {each["item_id"]: each["title"] for each in found}.items() <= titles.items()


def test_a_drawing_holds_no_markup_of_the_catalogue(run, shop):
    run(*ASKED["interests"])
    run(*ASKED["graph"])
    for name in ("[b]$x.svg", "graph[b].svg"):
        ElementTree.parse(shop / name)
