"""What people and programs wrote is printed as it is: it is text, never markup."""

import io

import pytest
from rich.text import Text
from typer.testing import CliRunner

from genrec.cli import app, show
from genrec.progress import PlainConsole
from genrec.schema import Recommendation

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


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small shop all of whose IDs and titles are hostile, prepared and indexed by commands."""
    import json

    root = tmp_path_factory.mktemp("hostile [b]shop")
    titles = [f"{title[:60]} {n}" for n in range(4) for title in TITLES.values()]
    with (root / "items[1].jsonl").open("w") as file:
        for n, title in enumerate(titles):
            row = {"item_id": f"sku[a{n}]", "title": title, "categories": [f"[/c{n % 3}]", ":car:"]}
            file.write(json.dumps(row) + "\n")
    with (root / "events[b].jsonl").open("w") as file:
        for user in range(12):
            for place in range(6):
                item = f"sku[a{(user * 5 + place * 7) % len(titles)}]"
                row = {
                    "user_id": f"[user{user}]",
                    "item_id": item,
                    "timestamp": 1_600_000_000 + place,
                }
                file.write(json.dumps(row) + "\n")
    return root


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None, (arguments, result.exception)
    return result.output


def test_commands_print_what_was_written(shop):
    events, items = shop / "events[b].jsonl", shop / "items[1].jsonl"
    seen = run("inspect", events, items)
    assert str(events) in seen and "sku[a0]" in seen
    run("prepare", "--events", events, "--items", items, "--out", shop / "data")
    run("index", "--data", shop / "data", "--out", shop / "index")
