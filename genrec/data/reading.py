"""What a look at a file and what the user said, settled: how to read it.

Enters: a ``Look``, the settings and the corpus' ``Source``. Leaves: a ``Reading``, what it took
from the look alone, what is doubtful, and the options that would settle it.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genrec.data.config import PrepareConfig
from genrec.data.lines import read_blocks
from genrec.data.look import Look, read, read_binary
from genrec.data.nested import flat
from genrec.data.roles import EVENT_ROLES, ROLES, SEARCH_TEXT, is_index, likely, plain, same_names
from genrec.data.rows import Batch
from genrec.data.sources import FileKind, Source
from genrec.data.times import TimeForm, are_times, tell
from genrec.errors import DataError
from genrec.schema import (
    ABOUT,
    EVENT_COLUMNS,
    EVENT_TYPE,
    ITEM_COLUMNS,
    ITEM_ID,
    RATING,
    SEARCHES,
    TEXT,
    TIMESTAMP,
    USER_ID,
)

_OURS: Mapping[FileKind, tuple[str, ...]] = {
    "event": EVENT_COLUMNS,
    "item": ITEM_COLUMNS,
    "user": (USER_ID, ABOUT),
}

# Below it a tag is something that a text speaks of, not what the texts are written in.
HTML_SHARE = 0.01

_SHOWN = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "pipes", "\x01": "^A", " ": "spaces"}


@dataclass
class Reading:
    """How to read a file.

    Attributes:
        look: What it looks like.
        source: Which of its columns are ours.
        ignored: Columns that are left out.
        time: How times are written.
        decimal: Of ratings.
        html: Whether texts hold markup to be taken out.
        null_words: Texts that mean "missing".
        taken: What was taken from the look, in words.
        doubts: What would have to be said, in words.
        options: What would settle the doubts, as options of ``genrec prepare``.
    """

    look: Look
    source: Source
    ignored: frozenset[str] = frozenset()
    time: TimeForm = TimeForm()
    decimal: str = "."
    html: bool = False
    null_words: tuple[str, ...] = ()
    taken: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)

    @property
    def advice(self) -> str:
        """Return what to add to a message: the options that would settle the doubts."""
        if not self.options:
            return ""
        return f"; it looks like {as_options(self.options)} (see `genrec inspect`)"

    def batches(self, config: PrepareConfig, workspace: Path) -> Iterator[Batch]:
        """Yield the rows of the file.

        Raises:
            DataError: The file as a whole cannot be read.
        """
        batches = self._batches(config, workspace)
        if self.source.nested:
            batches = map(flat, batches)
        return batches if self.source.reshape is None else map(self.source.reshape, batches)

    def _batches(self, config: PrepareConfig, workspace: Path) -> Iterator[Batch]:
        look, limit = self.look, config.max_line_bytes
        if look.kind in ("Parquet", "Arrow", "Excel"):
            return read_binary(look, workspace, config.time_zone)
        dialect = look.dialect
        blocks = read_blocks(
            *(look.path, dialect.encoding, limit, dialect.carriage_returns),
            # All of it may stand on one line.
            whole_lines=look.kind != "JSON",
        )
        return read(look, blocks, limit)

    def check(self, config: PrepareConfig) -> None:
        """Check that no doubt is left that changes what would be read.

        Raises:
            DataError: One is.
        """
        serious = [doubt for doubt in self.doubts if doubt.endswith("!")]
        if serious:
            raise DataError(f"{self.look.path}: {serious[0].removesuffix('!')}{self.advice}")


def as_options(options: dict[str, list[str]]) -> str:
    """Write options for a shell."""
    parts = []
    for name, values in options.items():
        parts.append(f"--{name} {shlex.quote(','.join(values))}" if values else f"--{name}")
    return " ".join(parts)


def settle(look: Look, source: Source, kind: FileKind, config: PrepareConfig) -> Reading:
    """Settle how to read a file from its look and the settings.

    Raises:
        DataError: It is of an unknown encoding.
    """
    reading = Reading(look, source, null_words=config.null_words)
    _settle_writing(reading, config)
    _settle_columns(reading, kind, config)
    if kind == "event":
        _settle_times(reading, config)
        _settle_ratings(reading, config)
    share = look.markup_share()
    reading.html = source.html or share >= HTML_SHARE
    if share >= HTML_SHARE and "html" not in config.no_repair:
        reading.taken.append(f"markup in {share:.0%} of the rows, to be removed")
    for name in (USER_ID, ITEM_ID):
        column = reading.source.columns.get(name)
        if isinstance(column, str) and look.floats(column):
            reading.doubts.append(
                f"{name} looks like integers that were made floats ("
                f"{look.values(column)[0]}); they are mended where another file has the integers"
            )
    return reading


def _settle_writing(reading: Reading, config: PrepareConfig) -> None:
    look, dialect = reading.look, reading.look.dialect
    if look.wrong_encoding:
        what = f"{look.wrong_encoding:.0%} of the lines are not UTF-8"
        if look.other_encoding:
            what += f" and may be {look.other_encoding}"
            reading.options["encoding"] = [look.other_encoding]
        serious = look.wrong_encoding > config.max_reject_share
        if serious and not look.other_encoding:
            raise DataError(
                f"{look.path}: {what}, and no other encoding can be guessed; "
                "name it with --encoding"
            )
        reading.doubts.append(what + ("!" if serious else ""))
    elif dialect.encoding != "utf-8":
        reading.taken.append(f"encoding {dialect.encoding}")
    if look.kind != "separated":
        reading.taken += [look.kind] if look.kind == "JSON" else []
        return
    if dialect.delimiter != ",":
        shown = _SHOWN.get(dialect.delimiter, repr(dialect.delimiter))
        reading.taken.append(f"{shown} between fields")
    if dialect.quote != '"' and reading.source.layout is None:
        reading.taken.append(f"fields quoted by {dialect.quote}" if dialect.quote else "no quotes")
    if dialect.escape:
        reading.taken.append(f"characters escaped by {dialect.escape}")
    if dialect.skip_lines:
        reading.taken.append(f"{dialect.skip_lines} lines before the header skipped")
    if dialect.carriage_returns:
        reading.taken.append("lines that end in carriage returns")
    if dialect.trailing:
        reading.taken.append("a delimiter at the end of every row")


def _settle_columns(reading: Reading, kind: FileKind, config: PrepareConfig) -> None:
    look, found = reading.look, list(reading.look.columns)
    said = _said(config.columns, found, kind)
    ours = _OURS[kind]
    roles = ROLES[kind]
    if kind == "event" and _holds_searches(look, said):
        ours, roles = (*ours, TEXT), roles | {TEXT: tuple(SEARCH_TEXT)}
    columns = dict(reading.source.columns)
    if reading.source.by_name:
        same = {role: name for role, name in same_names(found, ours).items() if role not in said}
        same = {role: name for role, name in same.items() if name not in said.values()}
        renamed = [f"{name} is {role}" for role, name in same.items() if name != role]
        reading.taken += renamed
        columns |= same
        _guess_columns(reading, kind, said | same, roles, config)
    columns |= said
    if config.order == "file":
        columns.pop(TIMESTAMP, None)
    reading.source = dataclasses.replace(reading.source, columns=columns)
    added = [name for name in found if is_index(name) and name not in columns.values()]
    if reading.source.by_name and added:
        reading.taken.append(f"column {', '.join(map(repr, added))} left out: an index of pandas")
    folders = [part.split("=")[0] for part in look.path.parent.parts if "=" in part]
    unwanted = config.ignore_columns if kind == "event" else ()
    left_out = {plain(name) for name in unwanted}
    named = [name for name in found if plain(name) in left_out or name in unwanted]
    reading.ignored = frozenset([*added, *folders, *named, *unwanted])
    if config.order == "file":
        reading.ignored |= {name for name in found if plain(name) == TIMESTAMP}


def _holds_searches(look: Look, said: dict[str, str]) -> bool:
    """Tell whether a file that may call its reviews "text" means searches by it."""
    types = {EVENT_TYPE: EVENT_ROLES[EVENT_TYPE]}
    column = (said | likely(look.columns, said, types)).get(EVENT_TYPE)
    values = () if column is None else look.values(column)
    return any(value.strip().lower() in SEARCHES for value in values)


def _said(pairs: tuple[str, ...], found: list[str], kind: FileKind) -> dict[str, str]:
    """Return the pairs of ``columns`` that this file has, under the file's own names."""
    ours = (*EVENT_COLUMNS, TEXT) if kind == "event" else _OURS[kind]
    by_name = {name.lower(): name for name in reversed(found)}
    said: dict[str, str] = {}
    for role, _, name in (pair.partition("=") for pair in pairs):
        if role in ours and name.lower() in by_name:
            said.setdefault(role, name if name in found else by_name[name.lower()])
    return said


def _guess_columns(
    reading: Reading,
    kind: FileKind,
    known: dict[str, str],
    roles: dict[str, tuple[str, ...]],
    config: PrepareConfig,
) -> None:
    look, found = reading.look, list(reading.look.columns)
    required = {USER_ID, ITEM_ID, TIMESTAMP} if kind == "event" else set[str]()
    guesses = likely(found, known, roles)
    if look.header_missing:
        first = ",".join(values[0] for values in look.columns.values() if values)
        if config.header is None:
            reading.doubts.append(f"the header seems to be missing (first line: {first[:80]})!")
            reading.options["no-header"] = []
        guesses = _by_values(look, known) if kind == "event" else {}
    if config.order == "file":
        required.discard(TIMESTAMP)
        guesses.pop(TIMESTAMP, None)
    elif USER_ID in {**known, **guesses} and TIMESTAMP not in {**known, **guesses}:
        taken = {*known.values(), *guesses.values()}
        left = [name for name in found if name not in taken and not name.lower().endswith("id")]
        times = next((name for name in left if are_times(look.values(name))), None)
        guesses |= {} if times is None else {TIMESTAMP: times}
    if guesses:
        said = [
            pair
            for pair in config.columns
            if pair.partition("=")[2].lower() in {name.lower() for name in known.values()}
        ]
        reading.options["columns"] = [*said, *(f"{r}={n}" for r, n in guesses.items())]
        reading.doubts += [f"{name} may be {role}" for role, name in guesses.items()]
    if TIMESTAMP in required - {*known, *guesses}:
        reading.doubts.append("no column of times: --order file takes the order of the rows")
        reading.options["order"] = ["file"]
    if kind == "event":
        taken = {*known.values(), *guesses.values()}
        ignored = {plain(name) for name in config.ignore_columns}
        left = [n for n in found if n not in taken and not is_index(n) and plain(n) not in ignored]
        folders = [part.split("=")[0] for part in look.path.parent.parts]
        left = [name for name in left if name not in folders]
        if config.order == "file":
            left = [name for name in left if plain(name) != TIMESTAMP]
        if left:
            reading.options["ignore-columns"] = [*config.ignore_columns, *left]


def _by_values(look: Look, known: dict[str, str]) -> dict[str, str]:
    """Guess the columns of events without a header: a time is large, a rating small."""
    guesses: dict[str, str] = {}
    texts: list[str] = []
    for name in look.columns:
        if name in known.values() or not (values := look.values(name)):
            continue
        numbers = [_number(value) for value in values]
        if TIMESTAMP not in {**known, **guesses} and are_times(values):
            guesses[TIMESTAMP] = name
        elif RATING not in guesses and len(texts) >= 2 and 0 <= max(numbers) <= 100:
            guesses[RATING] = name
        else:
            texts.append(name)
    return {**dict(zip((USER_ID, ITEM_ID), texts, strict=False)), **guesses}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _settle_times(reading: Reading, config: PrepareConfig) -> None:
    if config.order == "file":
        return
    written = reading.source.time
    if config.time_format:
        reading.time = TimeForm(format=config.time_format)
    elif config.time_unit:
        reading.time = TimeForm(unit=config.time_unit)
    elif written is not None:
        reading.time = written
    else:
        column = reading.source.columns.get(TIMESTAMP)
        name = column if isinstance(column, str) else None
        if name not in reading.look.columns and "columns" in reading.options:
            pairs = dict(pair.split("=", 1) for pair in reading.options["columns"])
            name = pairs.get(TIMESTAMP)
        values = [v for v in reading.look.values(name) if v.strip() not in reading.null_words]
        reading.time = tell(values, config.day_first)
        if reading.time.doubt:
            reading.doubts.append(f"times such as {values[0]!r}: {reading.time.doubt}")
            reading.options |= {name: list(given) for name, given in reading.time.options}
        elif reading.time != TimeForm():
            reading.taken.append(f"times are {reading.time.text}")


def _settle_ratings(reading: Reading, config: PrepareConfig) -> None:
    column = reading.source.columns.get(RATING)
    values = reading.look.values(column if isinstance(column, str) else None)
    words = set(reading.null_words)
    values = [value.strip() for value in values if value.strip() not in words]
    comma = bool(values) and any("," in value for value in values)
    comma = comma and all(value.replace(",", "", 1).lstrip("-").isdigit() for value in values)
    reading.decimal = config.decimal or ("," if comma else ".")
    if reading.decimal == "," and not config.decimal:
        reading.taken.append("decimal commas")
