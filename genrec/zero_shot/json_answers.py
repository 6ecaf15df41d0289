"""JSON answers: read strictly, repaired once, else a counted failure. Nothing is made up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from genrec.zero_shot.chat import Chat, ChatError, ChatModel, Message, ResponseFormat

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Takes what JSON holds; raises ``ValueError``, with words for the model, where it is wrong."""

_FENCE = re.compile(r"```(?:json)?|</?think>", re.IGNORECASE)


async def request_json(
    model: ChatModel,
    chat: Chat,
    form: ResponseFormat,
    read: Reader[T],
    max_tokens: int,
    ask_again: Callable[[Chat, str, str], list[Message]],
) -> T:
    """Ask for JSON and read it.

    An answer that is not usable is repaired once: what stands around the JSON is cut away, or,
    where that does not help, the model is asked again and told what was wrong.

    Args:
        model: Whom to ask.
        chat: The question.
        form: Of the answer.
        read: Takes the answer apart.
        max_tokens: Longest answer.
        ask_again: From the chat, the answer and the fault to the follow-up.

    Raises:
        ChatError: No answer, or none that can be read; counted in the model's usage.
    """
    text = await model.write(chat, max_tokens, form)
    try:
        return read(json.loads(text))
    except ValueError as error:
        fault = _say(error)
    try:
        found = read(find_json(text))
    except ValueError:
        follow_up = ask_again(chat, text, fault)
        text = await model.write(follow_up, max_tokens, form)
        try:
            found = read(find_json(text))
        except ValueError as error:
            kind = "not json" if isinstance(error, json.JSONDecodeError) else "wrong form"
            model.usage.failures[kind] += 1
            raise ChatError(kind, _say(error)) from None
    model.usage.repaired += 1
    return found


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


def list_parser(key: str) -> Reader[list[str]]:
    """Return a reader of ``{"key": ["text", ...]}``."""

    def read(content: Any) -> list[str]:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f'the answer must be {{"{key}": [...]}}')
        if not all(isinstance(entry, str) for entry in content[key]):
            raise ValueError(f"every entry of {key} must be text")
        if not content[key]:
            raise ValueError(f"{key} is empty")
        return content[key]

    return read


def list_format(name: str, key: str, options: Sequence[str] | None, wanted: int) -> ResponseFormat:
    """Return the form of ``{"key": [...]}``.

    Args:
        name: Of the form.
        key: Of the list.
        options: What may stand in it; None: any text.
        wanted: How many entries.
    """
    entry: dict[str, Any] = {"type": "string"}
    rule = '"\\"" [^"\\\\\\r\\n\\t]{1,100} "\\""'
    lists = None
    if options is not None:
        entry["enum"] = list(options)
        rule = any_of(options)
        lists = (key, tuple(options), wanted)
    schema = {
        "type": "object",
        "properties": {
            key: {"type": "array", "items": entry, "minItems": 1, "maxItems": wanted},
        },
        "required": [key],
        "additionalProperties": False,
    }
    more = f'entry (", " entry){{0,{wanted - 1}}}' if wanted > 1 else "entry"
    opening = literal(f'{{"{key}": [')
    return ResponseFormat(
        name, schema, f'root ::= {opening} {more} "]}}"\nentry ::= {rule}\n', lists
    )


def any_of(texts: Sequence[str]) -> str:
    """Return an EBNF choice of texts, each as a JSON string."""
    return " | ".join(literal(json.dumps(text, ensure_ascii=False)) for text in texts)


def literal(text: str) -> str:
    """Return a text as a literal of EBNF."""
    return json.dumps(text, ensure_ascii=False)


def _say(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg} at character {error.pos})"
    return str(error)
