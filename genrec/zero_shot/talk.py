"""Has a chat model introduce the answers of a conversation; what it writes is checked.

Enters: an answer of ``genrec.chat``. Leaves: the same items and list, with sentences in front that
name nothing else (``genrec.chat.wording``). A model that is slow, away or says too much costs these
sentences, never the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self, Unpack

from genrec.chat import ChatAnswer, ChatReader
from genrec.chat.wording import ShownItem, Told, find_fault, put_titles
from genrec.stream.templates import render_blocks
from genrec.zero_shot.chat import ChatError, ChatModel, Message
from genrec.zero_shot.config import ChatOptions, ZeroShotConfig
from genrec.zero_shot.connect import connect_chat
from genrec.zero_shot.event_loop import EventLoop
from genrec.zero_shot.quoting import quote_text

TIMEOUT_S = 5.0
MAX_TOKENS = 120
MAX_SAID = 3
"""Of the user's messages, the newest."""
MAX_SAID_CHARS = 300
MAX_NAME_CHARS = 60
MAX_TOLD_ITEMS = 10

_EXAMPLES = (
    (
        Told(
            ("a lamp for my desk",),
            (),
            (ShownItem("", "Lux", "Lamps", 35.0), ShownItem("", "Orb", "Lamps", 60.0)),
        ),
        "I found two lamps for your desk. #1 costs less than #2.",
    ),
    (
        Told(
            ("lamps", "under 30, and not that brand"),
            ("price below 30", "not Lux"),
            (ShownItem("", "Orb", "Toys", 12.0),),
        ),
        "One thing keeps to your price: #1, by Orb.",
    ),
)


class Talker:
    """Introduces answers, in the words of one chat model."""

    def __init__(self, model: ChatModel, loop: EventLoop | None = None) -> None:
        """Take the model, and the loop that it was connected in."""
        self.model = model
        self._loop = loop or EventLoop()

    @classmethod
    def load(cls, model: str, timeout_s: float = TIMEOUT_S, **options: Unpack[ChatOptions]) -> Self:
        """Connect to a URL, or load a model by name or folder.

        Args:
            model: URL of an OpenAI-compatible server, "smollm2", a folder or a Hugging Face name.
            timeout_s: How long a server is waited for; then the answer is shown as it is.
            **options: See ``ChatOptions``.

        Raises:
            ConfigError: The model cannot be loaded, or the server refuses.
            EngineUnavailable: Nothing answers at the URL.
        """
        loop = EventLoop()
        return cls(connect_chat(model, patience(timeout_s), loop, **options), loop)

    def introduce(self, answer: ChatAnswer, said: Sequence[str], reader: ChatReader) -> ChatAnswer:
        """See ``genrec.chat.Talker``; why there is no introduction stands in ``model.usage``.

        Raises:
            ConfigError: The server refuses the key or the model.
        """
        try:
            return self._loop.run(self.write(answer, said, reader))
        except ChatError:
            return answer

    async def write(
        self, answer: ChatAnswer, said: Sequence[str], reader: ChatReader
    ) -> ChatAnswer:
        """Return the answer with an introduction; one without items as it is.

        Raises:
            ChatError: The model gave none, or one that says what it must not; counted.
            ConfigError: The server refuses the key or the model.
        """
        if not answer.items:
            return answer
        titles = [item.title or item.item_id for item in answer.items[:MAX_TOLD_ITEMS]]
        told = reader.tell(said[-MAX_SAID:], answer.state, titles)
        text = " ".join((await self.model.write(write_question(told), MAX_TOKENS)).split())
        if fault := find_fault(text, told, reader.titles):
            self.model.usage.failures["not plain"] += 1
            raise ChatError("not plain", f"{fault!r} in {text[:MAX_SAID_CHARS]!r}")
        return answer.introduce(put_titles(text, told))


def patience(timeout_s: float) -> ZeroShotConfig:
    """Return how a server is asked that somebody waits for: once."""
    return ZeroShotConfig(timeout_s=timeout_s, deadline_s=timeout_s, attempts=1, concurrency=64)


def write_question(told: Told) -> list[Message]:
    """Return the chat that asks for an introduction, after two examples of one."""
    chat = [Message(role="system", content=_render(told)["system"])]
    for example, answer in _EXAMPLES:
        chat.append(Message(role="user", content=_render(example)["user"]))
        chat.append(Message(role="assistant", content=answer))
    return [*chat, Message(role="user", content=_render(told)["user"])]


def _render(told: Told) -> dict[str, str]:
    items = [
        {name: _short(value) if isinstance(value, str) else value for name, value in fields}
        for fields in (asdict(item).items() for item in told.items)
    ]
    for item in items:
        item["price"] = None if item["price"] is None else f"{item['price']:g}"
    return render_blocks(
        "zero_shot/talk",
        said=[quote_text(text, MAX_SAID_CHARS) for text in told.said],
        held=[_short(text) for text in told.held],
        items=items,
    )


def _short(text: str) -> str:
    return quote_text(text, MAX_NAME_CHARS)
