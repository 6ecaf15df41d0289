"""What files seem to be, for people, and the command that prepares them.

Enters: paths as a user names them. Leaves: an ``Inspection``; nothing is written.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from genrec.data.config import PrepareConfig
from genrec.data.formats import FORMATS
from genrec.data.look import look_at
from genrec.data.reading import Reading, as_options, settle
from genrec.data.sources import FileKind
from genrec.data.streams import expand
from genrec.errors import DataError
from genrec.schema import ABOUT, ITEM_ID, RATING, TIMESTAMP, USER_ID

_ROUNDS = 4


@dataclass(frozen=True)
class Inspected:
    """One path: a file, or a directory or glob of which the first file was looked at.

    Attributes:
        path: As it was given.
        kind: Whether it seems to hold events, items, or what users say of themselves.
        num_files: Files that it stands for.
        facts: Pairs of a subject and what is seen.
        columns: For each column its name, what it seems to be, and a value.
        taken: What ``prepare`` takes by itself.
        doubts: What it has to be told, or may be wrong.
    """

    path: str
    kind: FileKind
    num_files: int
    facts: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str, str], ...]
    taken: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What was seen, and the command that reads it."""

    files: tuple[Inspected, ...]
    command: str


def inspect(
    paths: Sequence[str | Path], config: PrepareConfig | None = None, out: str = "data"
) -> Inspection:
    """Look at files and say how to prepare them.

    Args:
        paths: Event, item and user files, in any order; directories and globs stand for their
            files.
        config: What is known already.
        out: The folder that the command is to write.

    Raises:
        DataError: A file cannot be read at all, or holds no rows.
    """
    config = config or PrepareConfig()
    if not paths:
        raise DataError("no file is given; name at least one")
    options: dict[str, list[str]] = {}
    looked: list[tuple[str, int, FileKind, Reading]] = []
    doubts: dict[str, dict[str, None]] = {}
    samples = {path: _file_with_rows(path, config) for path in map(str, paths)}
    # Events first: what they are told to be read with counts for items, too.
    for path in sorted(map(str, paths), key=lambda path: _kind(samples[path], config) != "event"):
        files, shown = expand([path]), samples[path]
        kind = _kind(shown, _with(config, options))
        settled, found = config, dict[str, None]()
        for _ in range(_ROUNDS):
            settled = _with(config, options)
            reading = _reading(shown, kind, settled)
            found |= dict.fromkeys(doubt.removesuffix("!") for doubt in reading.doubts)
            if not _merge(options, reading.options):
                break
        looked.append((path, len(files), kind, reading))
        doubts[path] = found
    inspected = tuple(
        _inspected(path, count, kind, reading, tuple(doubts[path]))
        for path, count, kind, reading in looked
    )
    return Inspection(inspected, _command(inspected, config, options, out))


def _reading(path: Path, kind: FileKind, config: PrepareConfig) -> Reading:
    corpus = FORMATS[config.format]
    source = corpus.of(kind)
    look = look_at(path, config, source.layout, kind == "item", nested=source.nested)
    return settle(look, source, kind, config)


def _file_with_rows(path: str, config: PrepareConfig) -> Path:
    """Return the first file of a path that holds rows; of many parts some may be empty.

    Raises:
        DataError: None does.
    """
    files = expand([path])
    for file in files:
        if len(files) > 1 and file.stat().st_size == 0:
            continue
        if _reading(file, "event", config).look.num_rows:
            return file
    raise DataError(f"{path} holds no rows to look at")


def _kind(path: Path, config: PrepareConfig) -> FileKind:
    """Tell events from items: only events have users, or times of rows without titles.

    Users who describe themselves have an ID too, but no item.
    """
    if FORMATS[config.format].events.layout is not None:
        return "event"
    reading = _reading(path, "event", config)
    found = _roles_found(reading)
    if USER_ID in found or reading.look.header_missing:
        if ITEM_ID in found or reading.look.header_missing:
            return "event"
        return "user" if ABOUT in _roles_found(_reading(path, "user", config)) else "event"
    return "event" if {TIMESTAMP, RATING} & found and len(reading.look.columns) <= 3 else "item"


def _roles_found(reading: Reading) -> set[str]:
    """Return which of our columns a file has, or seems to have."""
    guesses = {pair.partition("=")[0] for pair in reading.options.get("columns", ())}
    return guesses | {
        role
        for role, name in reading.source.columns.items()
        if not isinstance(name, str) or name in reading.look.columns
    }


def _with(config: PrepareConfig, options: dict[str, list[str]]) -> PrepareConfig:
    settings: dict[str, object] = {}
    for name, values in options.items():
        if name == "no-header":
            settings["header"] = False
        elif name == "day-first":
            settings["day_first"] = True
        elif name in ("encoding", "order", "time-unit"):
            settings[name.replace("-", "_")] = values[0]
        else:
            settings[name.replace("-", "_")] = tuple(values)
    return config.model_copy(update=settings)


def _merge(options: dict[str, list[str]], more: dict[str, list[str]]) -> bool:
    """Add options; return whether any is new."""
    before = {name: list(values) for name, values in options.items()}
    for name, values in more.items():
        if name in ("columns", "ignore-columns"):
            options[name] = list(dict.fromkeys([*options.get(name, ()), *values]))
        else:
            options.setdefault(name, values)
    return options != before


def _inspected(
    path: str, count: int, kind: FileKind, reading: Reading, doubts: tuple[str, ...]
) -> Inspected:
    look, dialect = reading.look, reading.look.dialect
    facts = [("format", look.kind + (f", {look.compression}" if look.compression else ""))]
    if look.kind in ("separated", "JSON", "JSON lines"):
        facts.append(("encoding", dialect.encoding))
    if look.kind == "separated":
        facts.append(("delimiter", repr(dialect.delimiter)))
        facts.append(("quote", dialect.quote or "none"))
        facts.append(("escape", dialect.escape or "none"))
    if kind == "event":
        facts.append(("times", reading.time.text))
    if words := look.words_found(reading.null_words):
        facts.append(("missing-value words", ", ".join(words)))
    if share := look.markup_share():
        facts.append(("HTML", f"in {share:.1%} of the rows"))
    roles = {name: role for role, name in reading.source.columns.items() if isinstance(name, str)}
    columns = tuple(
        (name, _role(name, roles, reading), next(iter(look.values(name)), ""))
        for name in look.columns
    )
    return Inspected(path, kind, count, tuple(facts), columns, tuple(reading.taken), doubts)


def _role(name: str, roles: dict[str, str], reading: Reading) -> str:
    if name in roles:
        return roles[name]
    if name in reading.ignored:
        return "left out"
    return "text" if reading.source.others == "text" else ""


def _command(
    files: Sequence[Inspected],
    config: PrepareConfig,
    options: dict[str, list[str]],
    out: str,
) -> str:
    given = _given(config)
    named = [
        f"--{kind}s {shlex.quote(file.path)}"
        for kind in get_args(FileKind)
        for file in files
        if file.kind == kind
    ]
    parts = ["genrec prepare", *named, *given]
    if options:
        parts.append(as_options(options))
    return " ".join([*parts, f"--out {shlex.quote(out)}"])


def _given(config: PrepareConfig) -> list[str]:
    """Return the settings that differ from the defaults, as options of ``prepare``."""
    parts = []
    for name, value in config.model_dump(exclude_defaults=True).items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        parts.append(f"--set {name}={shlex.quote(text)}")
    return parts
