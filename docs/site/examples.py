"""What the documentation shows of a command is what the command prints.

A block of text whose first line begins with "$ " is an example: a command, then what it prints. A
line of "…" stands for lines left out. After `make demo`, `make examples` runs every example and
writes the blocks anew; the tests run them again and compare.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GATEWAY = "localhost:8080"
RUN = "runs/demo/sft"
LEFT_OUT = "…"
SHOWN = 2
"""Of a longer list in an answer of the gateway, so many elements are shown."""
LINE_CHARS = 96

_BLOCK = re.compile(r"^```text\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)
_RANDOM_ID = re.compile(r'"[0-9a-f]{32}"')
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
_FRAME = re.compile(r"[─━│┃█╭╮╰╯┏┓┗┛┡┩└┘├┤┼╇┬┴┳┻╈╋\s]+")


@dataclass(frozen=True)
class Example:
    """A block of a page.

    Attributes:
        page: Where it stands.
        command: As it is shown, without the prompt.
        shown: Lines that it is said to print.
    """

    page: Path
    command: str
    shown: list[str]

    @property
    def text(self) -> str:
        """The block as it stands in its page, without the fences."""
        return "\n".join([f"$ {self.command}", *self.shown]) + "\n"


def find_examples(pages: list[Path] | None = None) -> list[Example]:
    """Return the examples of the README and the guides, in their order."""
    pages = pages or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        _example(page, block)
        for page in pages
        for block in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


def _example(page: Path, block: str) -> Example:
    lines = block.removeprefix("$ ").rstrip("\n").split("\n")
    for length in range(1, len(lines) + 1):
        command = "\n".join(lines[:length])
        if not command.endswith("\\") and _is_whole(command):
            return Example(page, command, lines[length:])
    raise ValueError(f"{page}: the command of {lines[0]!r} does not end")


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def run_example(example: Example, folder: Path, gateway: str) -> list[str]:
    """Return the lines that an example prints.

    Args:
        example: What to run.
        folder: Holds ``runs/demo``, and what else the commands name.
        gateway: Host and port of a gateway that serves the demo's run.
    """
    command = example.command.replace(GATEWAY, gateway)
    command = re.sub(r"^genrec ", f"{shlex.quote(sys.executable)} -m genrec.cli ", command)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, env=_environment()
    )
    if command.startswith("curl "):
        return lay_out(json.loads(done.stdout)).split("\n")
    return [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}


def lay_out(value: Any, indent: str = "") -> str:
    """Write JSON for a page: short parts on one line, long lists cut."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= LINE_CHARS or not value or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {lay_out(each, inner)}" for key, each in value.items()]
    else:
        parts = [lay_out(each, inner) for each in value[:SHOWN]]
    body = (",\n" + inner).join(parts)
    if isinstance(value, list) and len(value) > SHOWN:
        body += f",\n{LEFT_OUT}"
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n{inner}{body}\n{indent}{closed}"


def agreement(shown: list[str], printed: list[str]) -> float:
    """Return the share of shown lines that are printed, in their order.

    Processors round differently, so a number agrees with one that is near it; what differs from
    call to call, such as times taken, agrees with anything.
    """
    shown = [line for line in shown if line.strip() != LEFT_OUT and _words(line)]
    printed = [line for line in printed if _words(line)]
    words = ([_words(line) for line in lines] for lines in (shown, printed))
    blocks = difflib.SequenceMatcher(None, *words, autojunk=False).get_matching_blocks()
    near = sum(
        _numbers_agree(shown[first + place], printed[second + place])
        for first, second, size in blocks
        for place in range(size)
    )
    return near / max(len(shown), 1)


def shape(lines: list[str]) -> set[str]:
    """Return the keys of JSON and the heads of tables: what does not depend on the model."""
    keys = set(re.findall(r'"(\w+)":', "\n".join(lines)))
    return keys | {_words(line) for line in lines if line.startswith("┃")}


def _words(line: str) -> str:
    return _FRAME.sub(" ", _NUMBER.sub("#", _RANDOM_ID.sub("#", line))).strip()


def _numbers_agree(one: str, other: str) -> bool:
    if "took_ms" in one:
        return True
    one, other = _RANDOM_ID.sub("", one), _RANDOM_ID.sub("", other)
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= 0.3 + 0.2 * abs(float(a)) for a, b in pairs)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the demo's run from a folder; yield the gateway's host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gateway = f"127.0.0.1:{free.getsockname()[1]}"
    host, port = gateway.split(":")
    command = [sys.executable, "-m", "serve", "--run", RUN, "--host", host, "--port", port]
    with tempfile.TemporaryDirectory() as store:
        environment = {**_environment(), "GENREC_STORE": f"sqlite:///{store}/store.db"}
        with subprocess.Popen(command, cwd=folder, env=environment) as process:
            try:
                _wait_until_ready(gateway, process)
                yield gateway
            finally:
                process.terminate()


def _wait_until_ready(gateway: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{gateway}/ready", timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the gateway ended with {process.returncode}")


def main() -> None:
    """Write every example anew."""
    with serving(ROOT) as gateway:
        for example in find_examples():
            printed = run_example(example, ROOT, gateway)
            whole = Example(example.page, example.command, _cut_as(example.shown, printed))
            text = example.page.read_text(encoding="utf-8")
            example.page.write_text(text.replace(example.text, whole.text, 1), encoding="utf-8")


def _cut_as(shown: list[str], printed: list[str]) -> list[str]:
    """Leave out of what is printed as many lines as the page does, at the same place."""
    if LEFT_OUT not in shown or LEFT_OUT in printed:
        return printed
    before = shown.index(LEFT_OUT)
    after = len(shown) - shown.index(LEFT_OUT) - 1
    if before + after >= len(printed):
        return printed
    return [*printed[:before], LEFT_OUT, *(printed[-after:] if after else [])]


if __name__ == "__main__":
    main()
