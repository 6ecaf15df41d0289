"""Histories and candidates as chats: the templates of ``prompts/zero_shot``.

Enters: requests and items. Leaves: messages. Knows nothing of models; lengths are measured by a
function that is handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from genrec.errors import PromptError
from genrec.schema import Event, Item, Request
from genrec.stream.templates import Structure, render_blocks
from genrec.stream.time_deltas import describe_gap
from genrec.zero_shot.chat import Chat, Message
from genrec.zero_shot.quoting import quote_text

BLOCKS = ("system", "user")

Build = Callable[[Sequence[Event]], list[Message]]
"""From the events that are shown to a chat."""


@dataclass(frozen=True)
class Shot:
    """An example of another user.

    Attributes:
        events: What the user did, oldest first.
        answer: The item taken next.
    """

    events: tuple[Event, ...]
    answer: str


@dataclass(frozen=True)
class PromptWriter:
    """Renders the chats.

    Attributes:
        find: From an item's ID to the item; None where nothing is known of it.
        review_chars: Length cap of a review's excerpt; 0 leaves reviews out.
        title_chars: Length cap of a title.
    """

    find: Callable[[str], Item | None]
    review_chars: int = 240
    title_chars: int = 80

    def titles(self, items: Sequence[Item]) -> list[str]:
        """Return what to call each item among the others: no two names are equal."""
        names: list[str] = []
        taken: set[str] = set()
        for item in items:
            title = quote_text(item.label, self.title_chars) or quote_text(item.item_id)
            name, number = title, 1
            while name in taken:
                number += 1
                name = f"{title} ({number})"
            taken.add(name)
            names.append(name)
        return names

    def choose(self, request: Request, titles: Sequence[str], shots: Sequence[Shot] = ()) -> Build:
        """Ask for the title of one candidate."""
        return self._about(request, "choose", shots, candidates=[_our(title) for title in titles])

    def rank(
        self, request: Request, titles: Sequence[str], wanted: int, shots: Sequence[Shot] = ()
    ) -> Build:
        """Ask for the likeliest candidates, in order."""
        candidates = [_our(title) for title in titles]
        return self._about(request, "rank", shots, candidates=candidates, wanted=wanted)

    def open(
        self, request: Request, shelf: Sequence[str], wanted: int, shots: Sequence[Shot] = ()
    ) -> Build:
        """Ask for titles, with some of the shop's as a hint."""
        shown = [_our(title) for title in shelf]
        return self._about(request, "open", shots, shelf=shown, wanted=wanted)

    def interests(self, request: Request, names: Sequence[str]) -> Build:
        """Ask for a summary with interests of a list; events are numbered, the oldest is 1."""
        names = [quote_text(name) for name in names]
        return self._about(request, "interests", (), numbered=True, names=names)

    def rating(self, request: Request, item: Item, scale: Sequence[str]) -> Build:
        """Ask how the user would rate an item."""
        title = quote_text(item.label, self.title_chars)
        return self._about(request, "rating", (), title=title, scale=list(scale))

    def repair(
        self, chat: Chat, answer: str, fault: str, answer_chars: int = 2000
    ) -> list[Message]:
        """Ask for the answer again in the right form."""
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
        shots: Sequence[Shot],
        numbered: bool = False,
        **values: object,
    ) -> Build:
        history = request.history.events
        last = history[-1] if history else None
        now = request.at if request.at is not None else (last.timestamp if last else 0)
        asked = {
            "gap": describe_gap(last.timestamp if last else None, now),
            "event_type": self._short(request.event_type or (last.event_type if last else None)),
        }
        examples = [
            {"events": self._lines(shot.events), "answer": self._title(shot.answer)}
            for shot in shots
        ]

        def build(shown: Sequence[Event]) -> list[Message]:
            omitted = len(history) - len(shown)
            blocks = render_blocks(
                f"zero_shot/{name}",
                events=self._lines(shown, omitted + 1 if numbered else None),
                omitted=omitted,
                asked=asked,
                examples=examples,
                **values,
            )
            return [Message(role=role, content=blocks[role]) for role in BLOCKS]

        return build

    def _lines(
        self, events: Sequence[Event], first_number: int | None = None
    ) -> list[dict[str, Any]]:
        """Return what the templates show of events."""
        lines = []
        previous: int | None = None
        for place, event in enumerate(events):
            review = ". ".join(part for part in (event.title, event.review) if part)
            lines.append(
                {
                    "number": None if first_number is None else first_number + place,
                    "gap": describe_gap(previous, event.timestamp),
                    "event_type": self._short(event.event_type),
                    "title": self._title(event.item_id),
                    "rating": None if event.rating is None else f"{event.rating:g}",
                    "review": quote_text(review, self.review_chars)
                    if review and self.review_chars
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


async def fit(
    build: Build,
    events: Sequence[Event],
    room_tokens: int,
    count: Callable[[Chat], Awaitable[int]],
    what: str = "the prompt",
) -> list[Message]:
    """Return the chat with as many of the newest events as there is room for.

    Args:
        build: From the events shown to the chat.
        events: Oldest first; only whole ones are shown.
        room_tokens: Longest chat, in the model's own tokens.
        count: Measures a chat in these tokens.
        what: Of whom the prompt is, for the error.

    Raises:
        PromptError: Not even the chat without events fits.
    """
    chat = build(events)
    if await count(chat) <= room_tokens:
        return chat
    best = build(())
    least = await count(best)
    if least > room_tokens:
        raise PromptError(
            f"{what} takes {least} tokens without any event of the history, and there is room for "
            f"{room_tokens}; show fewer candidates or examples (num_candidates, examples), or "
            "serve the model with a longer context"
        )
    fits, too_many = 0, len(events)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        chat = build(events[len(events) - middle :])
        if await count(chat) <= room_tokens:
            fits, best = middle, chat
        else:
            too_many = middle
    return best


def _our(title: str) -> Structure:
    """Pass a title that was quoted and numbered already."""
    return Structure(title)
