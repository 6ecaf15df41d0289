"""A sample of a text file to the way it is written: encoding, line ends, delimiter, quotes.

Enters: the first bytes of a file. Leaves: a ``Dialect``, and whether it has a header. What a user
said about it holds; the rest is told from the sample.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Collection, Iterator

from charset_normalizer import from_bytes

from genrec.data.config import ReadingConfig
from genrec.data.rows import Dialect
from genrec.data.separated import parse

_DELIMITERS = (",", "\t", ";", "|", "\x01", "::")
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_ENOUGH_LINES = 1000
_LEGACY = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp874"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
]
"""What logs that are not Unicode are still written in; the rarer ones only mislead a guess."""


def tell_encoding(sample: bytes) -> tuple[str, float, str | None]:
    """Return the encoding of a sample, the share of its lines that are not of it, and a guess.

    The guess, of another encoding in which every line can be read, is given where some are not of
    the first.
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return name, 0.0, None
    if b"\x00" in sample[:1000]:
        odd, even = sample[1:1000:2].count(0), sample[0:1000:2].count(0)
        if max(odd, even) > 200 or max(odd, even) * 4 > len(sample[:1000]):
            return ("utf-16-le" if odd > even else "utf-16-be"), 0.0, None
    lines = sample.splitlines()
    broken = [line for line in lines if not _is_utf8(line)]
    if not broken:
        return "utf-8", 0.0, None
    return "utf-8", len(broken) / len(lines), _guess(b"\n".join(broken))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guess(text: bytes) -> str | None:
    best = from_bytes(text[:20_000], cp_isolation=_LEGACY).best()
    # Western texts of a few words fit many encodings: the most common one goes first. Their letters
    # beyond ASCII mostly stand alone, where other scripts have whole words of such bytes.
    alike = set() if best is None else {best.encoding, *best.could_be_from_charset}
    western = text.decode("cp1252", "replace")
    lengths = [len(run) for run in re.findall(r"[^\x00-\x7f]+", western)]
    lone = sum(length == 1 for length in lengths)
    if alike & {"cp1252", "latin_1"} or ("\ufffd" not in western and 2 * lone >= len(lengths)):
        return "cp1252"
    return None if best is None else best.encoding


def tell_dialect(
    text: str, encoding: str, known: Collection[str], config: ReadingConfig, certain_first: bool
) -> tuple[Dialect, bool]:
    """Tell how a separated file is written, and whether its header is missing.

    Args:
        text: How the file begins.
        encoding: Of the file.
        known: Names that a header may hold, in small letters and digits only.
        config: What the user said.
        certain_first: Whether a delimiter that the header certainly has beats the user's.
    """
    returns = "\n" not in text and "\r" in text
    if returns:
        text = text.replace("\r", "\n")
    lines = text.split("\n")[:_ENOUGH_LINES]
    skip, named = _skipped(lines)
    lines = lines[skip:] or [""]
    header_line = lines[0].rstrip("\r")
    delimiter = config.delimiter or named
    if delimiter is None or (certain_first and delimiter not in header_line):
        delimiter = max(_DELIMITERS, key=lambda each: header_line.count(each) * len(each))
        if delimiter not in header_line and _is_spaced(lines):
            delimiter = " "
    base = Dialect(delimiter, encoding=encoding, skip_lines=skip, carriage_returns=returns)
    lines = [line for line in lines if line.strip()]
    dialect = _tell_quotes(base, lines, config)
    names = _fields(header_line, dialect)
    missing = not config.header if config.header is not None else _is_data(names, known)
    if missing:
        numbers = tuple(str(place) for place in range(1, len(names) + 1))
        dialect = dataclasses.replace(dialect, header=numbers)
    elif _all_end_in_a_delimiter(dialect, lines, len(names)):
        dialect = dataclasses.replace(dialect, trailing=True)
    return dialect, missing


def _is_spaced(lines: list[str]) -> bool:
    """Whether spaces are between fields: every line has as many words, of the first two or more."""
    counts = {len(line.split()) for line in lines if line.strip()}
    return len(counts) == 1 and min(counts) > 1


def is_sequence(text: str) -> bool:
    """Whether each line is an ID and IDs behind it, with spaces between: "u1 i7 i3 i9"."""
    lines = [line.split() for line in text.split("\n")[:_ENOUGH_LINES] if line.strip()]
    users = {line[0] for line in lines}
    are_ids = all(re.fullmatch(r"[\w-]*\d[\w-]*", word) for line in lines for word in line)
    return are_ids and len(users) == len(lines) > 1 and min(map(len, lines)) > 2


def _skipped(lines: list[str]) -> tuple[int, str | None]:
    """Return how many lines precede the header, and the delimiter that one of them names."""
    delimiter = None
    for place, line in enumerate(lines):
        named = re.fullmatch(r'"?sep=(.)"?\s*', line)
        if named:
            delimiter = named[1]
        elif line.strip() and not line.startswith("#"):
            return place, delimiter
    return 0, delimiter


def _tell_quotes(base: Dialect, lines: list[str], config: ReadingConfig) -> Dialect:
    """Return the dialect under which fewest records break; the usual one if it does as well."""
    if len(base.delimiter) > 1:
        return dataclasses.replace(base, quote=None)
    escapes: list[str | None] = [_none(config.escape)] if config.escape else [None]
    if not config.escape and any("\\" in line for line in lines):
        escapes.append("\\")
        # Quotes that are escaped break no record either where fields are not quoted.
        if any('\\"' in line for line in lines) and not any('""' in line for line in lines):
            escapes.reverse()
    if config.quote:
        quotes: list[str | None] = [_none(config.quote)]
    else:
        delimiter = re.escape(base.delimiter)
        quotes = ['"']
        if any(re.search(rf"(^|{delimiter})'[^']*'(\r?$|{delimiter})", line) for line in lines):
            wrapped = all(name[:1] == name[-1:] == "'" for name in _split(lines[0], base))
            quotes = ["'", '"'] if wrapped else ['"', "'"]
        elif not any(re.search(rf'(^|{delimiter})"', line) for line in lines):
            # Where no field is quoted, characters may be escaped instead.
            quotes.append(None)
    candidates = [
        dataclasses.replace(base, quote=quote, escape=escape)
        for quote in quotes
        for escape in escapes
        if config.quote or quote or escape
    ]
    return min(candidates, key=lambda dialect: sum(1 for _ in _breaks(dialect, lines)))


def _none(character: str) -> str | None:
    return None if character == "none" else character


def _split(line: str, dialect: Dialect) -> list[str]:
    return line.rstrip("\r").split(dialect.delimiter)


def _breaks(dialect: Dialect, lines: list[str]) -> Iterator[int]:
    """Yield where a record has not as many fields as the first, or cannot be read."""
    width, start = 0, 0
    while start < len(lines):
        rows = parse((line + "\n" for line in lines[start:]), dialect)
        try:
            for row in rows:
                width = width or len(row)
                if len(row) != width and (len(row) != width + 1 or row[-1]):
                    yield start
                start += 1 + sum(field.count("\n") for field in row)
        except csv.Error:
            yield start
            start += 1


def _fields(line: str, dialect: Dialect) -> list[str]:
    try:
        return [field.strip() for field in next(parse([line], dialect), [])]
    except csv.Error:
        return line.split(dialect.delimiter)


def _is_data(fields: list[str], known: Collection[str]) -> bool:
    """Whether a first line holds values: none is a name we know, and some are numbers."""
    if any(re.sub(r"[\W_]", "", field.lower()) in known for field in fields):
        return False
    return any(re.fullmatch(r"-?\d+([.,:/ -]\d+)*", field) for field in fields)


def _all_end_in_a_delimiter(dialect: Dialect, lines: list[str], width: int) -> bool:
    try:
        rows = [row for row in parse((line + "\n" for line in lines[1:50]), dialect) if row]
    except csv.Error:
        return False
    return bool(rows) and all(len(row) == width + 1 and not row[-1] for row in rows)
