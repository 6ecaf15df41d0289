"""JSON, and Python dicts as corpora of 2014 print them, to batches of columns.

Enters: blocks of ``lines``. Leaves: batches, with the line each object starts on, and rejects.
One object on each line is read line by line; arrays, indented objects and objects one behind the
other are read as a stream, of which no more than a block and one object is held.
"""

from __future__ import annotations

import ast
import codecs
import gc
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from genrec.data.lines import WRONG_ENCODING, Block, Reject, Run, excerpt
from genrec.data.nested import unwrapped
from genrec.data.rows import MALFORMED, Batch

_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT_OBJECT = re.compile(r"(?<=[\n,\[}])\s*\{")
# How close to the end of what is there an error may lie for more text to mend it.
_NEAR_END = 16


def read_lines(blocks: Iterable[Block]) -> Iterator[Batch]:
    """Yield the rows of a file with one object per line."""
    for block in blocks:
        chunk = block.decode()
        batch, rows = Batch(rejects=list(chunk.rejects)), list[dict[str, Any]]()
        gc.disable()
        try:
            for run in chunk.runs:
                _parse_lines(run, batch, rows)
        finally:
            gc.enable()
        yield _with_rows(batch, rows)


def read_stream(blocks: Iterable[Block], max_object_chars: int) -> Iterator[Batch]:
    """Yield the objects of an array, or of a file where they follow each other somehow."""
    text, line = "", 1
    decoder = None
    for block in blocks:
        # A block may end within a character.
        decoder = decoder or codecs.getincrementaldecoder(block.encoding)("replace")
        text += decoder.decode(block.data)
        batch, used = _parse_stream(text, line, max_object_chars)
        line += text.count("\n", 0, used)
        text = text[used:]
        yield batch
    yield _parse_stream(text, line, 0)[0]


def read_literal(text: str) -> Any:
    """Read a text as Python writes lists and objects; it is never evaluated.

    Raises:
        ValueError: It is none.
    """
    try:
        with warnings.catch_warnings():
            # Escapes that Python does not know, as in 'C:\d', are warned of as if they were code.
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("not a literal") from None


def parse_object(line: str) -> dict[str, Any] | str | None:
    """Return the object on a line, why it cannot be used, or None for an empty line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        if not line.strip():
            return None
        try:
            row = read_literal(line.strip())
        except ValueError:
            return MALFORMED
        if isinstance(row, dict) and not all(isinstance(name, str) for name in row):
            return MALFORMED
    return _checked(row, line)


def _checked(row: Any, written: str) -> dict[str, Any] | str:
    if not isinstance(row, dict):
        return MALFORMED
    # Half of a surrogate pair, written as an escape, is no character.
    if "\\ud" in written or "\\uD" in written:
        try:
            json.dumps(row, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            return WRONG_ENCODING
    return row


def _parse_lines(run: Run, batch: Batch, rows: list[dict[str, Any]]) -> None:
    for number, line in enumerate(run.lines, run.first_line):
        row = parse_object(line)
        if isinstance(row, dict):
            batch.lines.append(number)
            rows.append(row)
        elif row is not None:
            batch.rejects.append(Reject(number, row, excerpt(line)))


def _parse_stream(text: str, line: int, max_object_chars: int) -> tuple[Batch, int]:
    """Return the objects in a text, and how much of it they took; 0 chars: the text is all."""
    batch, rows = Batch(), list[dict[str, Any]]()
    decoder = json.JSONDecoder()
    place, counted = 0, 0
    while True:
        place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        if place == len(text):
            break
        line += text.count("\n", counted, place)
        counted = place
        end, row = _decode(decoder, text, place)
        if row is None and _may_go_on(text, place, end, max_object_chars):
            break
        if row is None:
            row = MALFORMED
            following = _NEXT_OBJECT.search(text, place + 1)
            end = following.start() if following else len(text)
        if isinstance(row, dict):
            batch.lines.append(line)
            rows.append(row)
        else:
            batch.rejects.append(Reject(line, row, excerpt(text[place:end])))
        place = end
    return _with_rows(batch, rows), place


def _decode(
    decoder: json.JSONDecoder, text: str, place: int
) -> tuple[int, dict[str, Any] | str | None]:
    """Return where a value ends and what it is; None and where the error lies if it has one."""
    try:
        value, end = decoder.raw_decode(text, place)
    except json.JSONDecodeError as error:
        unterminated = error.msg.startswith("Unterminated")
        return (len(text) if unterminated else error.pos), None
    except (ValueError, RecursionError):
        return place, None
    return end, _checked(value, text[place:end])


def _may_go_on(text: str, place: int, error: int, max_object_chars: int) -> bool:
    return error >= len(text) - _NEAR_END and len(text) - place < max_object_chars


def _with_rows(batch: Batch, rows: list[dict[str, Any]]) -> Batch:
    names = dict.fromkeys(name for row in rows for name in row)
    batch.columns = {name: [unwrapped(row.get(name)) for row in rows] for name in names}
    return batch
