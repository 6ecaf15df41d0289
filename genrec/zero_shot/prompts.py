"""Render histories and candidates as chats, with the templates of ``prompts/zero_shot``.

Enters: requests and items. Leaves: messages that fit into a model's context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from genrec.errors import PromptError
from genrec.schema import Event, History, Item, Request
from genrec.stream.render import bucket
from genrec.stream.templates import Structure, render_blocks
from genrec.zero_shot.chat import Chat, ChatModel, Message
from genrec.zero_shot.quoting import quote_text

BLOCKS = ("system", "user")
WORDS_CHARS = 400
"""Maximum length of a wish, and of what users say of themselves."""

Build = Callable[[Sequence[Event]], list[Message]]
"""Builds a chat that shows the given events."""


@dataclass(frozen=True)
class FewShotExample:
    """Another user's history and what came next.

    Attributes:
        events: The user's events, oldest first.
        answer: The item of the next event.
    """

    events: tuple[Event, ...]
    answer: str


@dataclass(frozen=True)
class PromptWriter:
    """Renders the chats.

    Attributes:
        find: Looks up an item by its ID; None if it is unknown.
        review_chars: Maximum length of a review excerpt; 0 omits reviews.
        title_chars: Maximum length of a title.
    """

    find: Callable[[str], Item | None]
    review_chars: int = 240
    title_chars: int = 80

    def titles(self, items: Sequence[Item]) -> list[str]:
        """Return a distinct name for each item; equal titles are numbered."""
        names: list[str] = []
        taken: set[str] = set()
        for item in items:
            title = quote_text(item.label, self.title_chars) or quote_text(item.item_id)
            name, copy = title, 1
            while name in taken:
                copy += 1
                name = f"{title} ({copy})"
            taken.add(name)
            names.append(name)
        return names

    def choose(
        self, request: Request, titles: Sequence[str], examples: Sequence[FewShotExample] = ()
    ) -> Build:
        """Ask for the title of one candidate."""
        return self._about(
            request, "choose", examples, candidates=[_our(title) for title in titles]
        )

    def rank(
        self,
        request: Request,
        titles: Sequence[str],
        wanted: int,
        examples: Sequence[FewShotExample] = (),
    ) -> Build:
        """Ask for the most likely candidates, in order."""
        candidates = [_our(title) for title in titles]
        return self._about(request, "rank", examples, candidates=candidates, wanted=wanted)

    def open(
        self,
        request: Request,
        shelf: Sequence[str],
        wanted: int,
        examples: Sequence[FewShotExample] = (),
    ) -> Build:
        """Ask for titles, showing some of the catalogue's as a hint."""
        shown = [_our(title) for title in shelf]
        return self._about(request, "open", examples, shelf=shown, wanted=wanted)

    def interests(self, request: Request, names: Sequence[str]) -> Build:
        """Ask for a summary of listed interests; events are numbered, the oldest is 1."""
        names = [quote_text(name) for name in names]
        return self._about(request, "interests", (), numbered=True, names=names)

    def rating(self, request: Request, item: Item, scale: Sequence[str]) -> Build:
        """Ask how the user would rate an item."""
        title = quote_text(item.label, self.title_chars)
        return self._about(request, "rating", (), title=title, scale=list(scale))

    def repair(
        self, chat: Chat, answer: str, fault: str, answer_chars: int = 2000
    ) -> list[Message]:
        """Ask for the answer again, in the right format."""
        follow_up = render_blocks("zero_shot/repair", fault=fault)["user"]
        return [
            *chat,
            Message(role="assistant", content=answer[:answer_chars]),
            Message(role="user", content=follow_up),
        ]

    def _about(
        self,
        request: Request,
        name: str,
        examples: Sequence[FewShotExample],
        numbered: bool = False,
        **values: object,
    ) -> Build:
        history = request.history.events
        last = history[-1] if history else None
        now = request.at if request.at is not None else (last.timestamp if last else 0)
        asked = {
            "gap": bucket(last.timestamp if last else None, now),
            "event_type": self._short(request.event_type or (last.event_type if last else None)),
        }
        rendered_examples = [
            {"events": self._lines(example.events), "answer": self._title(example.answer)}
            for example in examples
        ]

        def build(shown: Sequence[Event]) -> list[Message]:
            omitted = len(history) - len(shown)
            blocks = render_blocks(
                f"zero_shot/{name}",
                events=self._lines(shown, omitted + 1 if numbered else None),
                omitted=omitted,
                asked=asked,
                about=_words(request.history.about),
                wish=_words(request.wish),
                examples=rendered_examples,
                **values,
            )
            return [Message(role=role, content=blocks[role]) for role in BLOCKS]

        return build

    def _lines(
        self, events: Sequence[Event], first_number: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the fields of each event that the templates show."""
        lines = []
        previous: int | None = None
        for index, event in enumerate(events):
            lines.append(
                {
                    "number": None if first_number is None else first_number + index,
                    "gap": bucket(previous, event.timestamp),
                    "event_type": self._short(event.event_type),
                    "title": self._title(event.item_id),
                    "rating": None if event.rating is None else f"{event.rating:g}",
                    "review": quote_text(event.opinion, self.review_chars)
                    if event.opinion and self.review_chars
                    else None,
                }
            )
            previous = event.timestamp
        return lines

    def _title(self, item_id: str) -> str:
        item = self.find(item_id) or Item(item_id)
        return quote_text(item.label, self.title_chars) or quote_text(item_id, self.title_chars)

    def _short(self, text: str | None) -> str | None:
        return quote_text(text, self.title_chars) if text else None


def _words(text: str | None) -> str | None:
    return None if text is None else quote_text(text, WORDS_CHARS) or None


async def fit(
    build: Build, history: History, model: ChatModel, answer_tokens: int
) -> list[Message]:
    """Return the chat with as many of the newest events as the model's context holds.

    Args:
        build: From the events shown to the chat.
        history: Only whole events are shown.
        model: Counts the tokens.
        answer_tokens: Reserved for the answer, up to half of the context.

    Raises:
        PromptError: Even the chat without events does not fit.
    """
    context = await model.context_tokens()
    max_tokens = context - min(answer_tokens, context // 2)
    events = history.events
    chat = build(events)
    if await model.count_tokens(chat) <= max_tokens:
        return chat
    best = build(())
    shortest = await model.count_tokens(best)
    if shortest > max_tokens:
        raise PromptError(
            f"the prompt of user '{history.user_id}' takes {shortest} tokens without any event, "
            f"but only {max_tokens} fit; show fewer candidates or examples (num_candidates, "
            "examples), or serve the model with a longer context"
        )
    fits, too_many = 0, len(events)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        chat = build(events[len(events) - middle :])
        if await model.count_tokens(chat) <= max_tokens:
            fits, best = middle, chat
        else:
            too_many = middle
    return best


def _our(title: str) -> Structure:
    """Mark a title that is already quoted and numbered."""
    return Structure(title)
