"""JSON answers: parsed strictly, repaired once, otherwise a counted failure.

A repair only cuts away text around the JSON or asks the model again. Nothing is made up, so a
truncated answer is not completed (as the ``json-repair`` package does).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from genrec.zero_shot.chat import Chat, ChatError, ChatModel, Message, ResponseFormat

T = TypeVar("T")
Parser = Callable[[Any], T]
"""Converts decoded JSON; raises ``ValueError``, with a message for the model, if it is invalid."""

PLAIN_CHARS = r'[^"\\\x00-\x1f]'
"""EBNF of what stands in a JSON string without an escape."""

_FENCE = re.compile(r"```(?:json)?|</?think>", re.IGNORECASE)


async def request_json(
    model: ChatModel,
    chat: Chat,
    response_format: ResponseFormat,
    parse: Parser[T],
    max_tokens: int,
    ask_again: Callable[[Chat, str, str], list[Message]],
) -> T:
    """Request a JSON answer and parse it.

    An unusable answer is repaired once: the text around the JSON is cut away or, if that does not
    help, the model is asked again and told the error.

    Args:
        model: The chat model.
        chat: The question.
        response_format: Of the answer.
        parse: Converts the decoded JSON.
        max_tokens: Maximum length of the answer.
        ask_again: Makes the follow-up from the chat, the answer and the error.

    Raises:
        ChatError: No answer, or none that can be parsed; counted in the model's usage.
    """
    text = await model.write(chat, max_tokens, response_format)
    try:
        return parse(json.loads(text))
    except ValueError as error:
        fault = _describe(error)
    try:
        result = parse(find_json(text))
    except ValueError:
        text = await model.write(ask_again(chat, text, fault), max_tokens, response_format)
        try:
            result = parse(find_json(text))
        except ValueError as error:
            kind = "not json" if isinstance(error, json.JSONDecodeError) else "wrong form"
            model.usage.failures[kind] += 1
            raise ChatError(kind, _describe(error)) from None
    model.usage.repaired += 1
    return result


def find_json(text: str) -> Any:
    r"""Return the first JSON object in a text.

    Raises:
        ValueError: There is none.

    Examples:
        >>> find_json('Sure! ```json\n{"a": [1]}\n```')
        {'a': [1]}
    """
    cleaned = _FENCE.sub(" ", text)
    decoder = json.JSONDecoder()
    first: json.JSONDecodeError | None = None
    for match in re.finditer(r"\{", cleaned):
        try:
            return decoder.raw_decode(cleaned, match.start())[0]
        except json.JSONDecodeError as error:
            first = first or error
    raise first or json.JSONDecodeError("no JSON object", text[:200], 0)


def list_parser(key: str) -> Parser[list[str]]:
    """Return a parser of ``{"key": ["text", ...]}``."""

    def parse(content: Any) -> list[str]:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise ValueError(f'the answer must be {{"{key}": [...]}}')
        if not all(isinstance(entry, str) for entry in entries):
            raise ValueError(f"every entry of {key} must be text")
        if not entries:
            raise ValueError(f"{key} is empty")
        return entries

    return parse


def list_format(
    name: str, key: str, options: Sequence[str] | None, max_entries: int
) -> ResponseFormat:
    """Return the format of ``{"key": [...]}``.

    Args:
        name: Of the format.
        key: Of the list.
        options: Strings that are allowed; None: any text.
        max_entries: Maximum length of the list.
    """
    entry: dict[str, Any] = {"type": "string"}
    rule = f'"\\"" {PLAIN_CHARS}{{1,100}} "\\""'
    choices = None
    if options is not None:
        entry["enum"] = list(options)
        rule = any_of(options)
        choices = (key, tuple(options), max_entries)
    schema = {
        "type": "object",
        "properties": {
            key: {"type": "array", "items": entry, "minItems": 1, "maxItems": max_entries},
        },
        "required": [key],
        "additionalProperties": False,
    }
    entries = f'entry (", " entry){{0,{max_entries - 1}}}' if max_entries > 1 else "entry"
    opening = literal(f'{{"{key}": [')
    grammar = f'root ::= {opening} {entries} "]}}"\nentry ::= {rule}\n'
    return ResponseFormat(name, schema, grammar, choices)


def any_of(texts: Sequence[str]) -> str:
    """Return an EBNF choice of texts, each as a JSON string."""
    return " | ".join(literal(json.dumps(text, ensure_ascii=False)) for text in texts)


def literal(text: str) -> str:
    """Return a text as a literal of EBNF."""
    return json.dumps(text, ensure_ascii=False)


def _describe(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg} at character {error.pos})"
    return str(error)
