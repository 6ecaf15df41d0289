"""One answer of a conversation: items that exist, in words that name no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from genrec.chat.reader import ChatReader
from genrec.chat.state import ChatState
from genrec.schema import Recommendation


@dataclass(frozen=True)
class ChatAnswer:
    """What is answered.

    Attributes:
        text: For people.
        items: Best first; fewer than asked for where the constraints leave fewer.
        state: To be sent back with the next message.
        unread: What was said that could not be kept, and why.
        introduced_by: Whether a model wrote the sentences before the list.
    """

    text: str
    items: tuple[Recommendation, ...]
    state: ChatState
    unread: tuple[str, ...]
    introduced_by: Literal["model", "nobody"] = "nobody"

    def introduce(self, text: str) -> ChatAnswer:
        """Return the answer with what a model says of it, which was checked, in front."""
        return replace(self, text=f"{text}\n\n{self.text}", introduced_by="model")


class Talker(Protocol):
    """What introduces answers, such as a chat model (``genrec.zero_shot.talk``)."""

    def introduce(self, answer: ChatAnswer, said: Sequence[str], reader: ChatReader) -> ChatAnswer:
        """Return the answer with some words in front, or as it is where there are none to show.

        Args:
            answer: Its items and their list stay as they are.
            said: By the user, oldest first.
            reader: Of the messages; knows the catalogue.
        """
        ...


def write_answer(
    items: Sequence[Recommendation], k: int, state: ChatState, unread: Sequence[str]
) -> ChatAnswer:
    """Put an answer into words.

    Args:
        items: What was found.
        k: How many were asked for.
        state: After the message, before the answer.
        unread: See ``ChatAnswer``.
    """
    held = "; ".join(constraint.said for constraint in state.constraints)
    under = f" ({held})" if held else ""
    if not items:
        text = f"Nothing is left{under}. Take back one of them, such as by “any price”."
    elif len(items) < k:
        text = f"Only {len(items)} {'is' if len(items) == 1 else 'are'} left{under}:"
    else:
        text = f"Here {'is' if k == 1 else 'are'} {k}{under}:"
    lines = [f"{item.rank}. {item.title or item.item_id}" for item in items]
    notes = [f"I could not keep “{each}”." for each in unread]
    shown = state.model_copy(update={"shown": tuple(item.item_id for item in items)})
    return ChatAnswer("\n".join([text, *lines, *notes]), tuple(items), shown, tuple(unread))
