"""What a conversation has come to, as it travels with each request; the server keeps nothing.

It comes back from whoever was sent it, so it is read like any other input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genrec.arguments import check_collection, check_text, check_type
from genrec.errors import DataError
from genrec.filters import read_filter
from genrec.request_options import RequestOptions

MAX_MESSAGE_CHARS = 10_000
MAX_MESSAGES = 100
MAX_WISHES = 5
"""Of the last turns; what was looked for longer ago is no longer meant."""
MAX_CONSTRAINTS = 50
MAX_ITEMS = 1_000


class Constraint(BaseModel):
    """Something that every item must keep from now on.

    Attributes:
        said: For people: "price below 12.5".
        subject: What a later one of the same subject replaces, such as "price <"; of several that
            add up, each has its own.
        filter: In the language of ``genrec.filters``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    said: str = Field(max_length=500)
    subject: str = Field(max_length=500)
    filter: dict[str, Any]


class ChatState(BaseModel):
    """A conversation so far.

    Attributes:
        wish: Words that are looked for, turn by turn.
        constraints: What every item must keep.
        excluded: Items that were turned down.
        shown: Items of the last answer, in their order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wish: tuple[str, ...] = Field((), max_length=MAX_WISHES)
    constraints: tuple[Constraint, ...] = Field((), max_length=MAX_CONSTRAINTS)
    excluded: tuple[str, ...] = Field((), max_length=MAX_ITEMS)
    shown: tuple[str, ...] = Field((), max_length=MAX_ITEMS)

    @property
    def query(self) -> str | None:
        """All that is looked for, as one wish; None: nothing in particular."""
        return " ".join(self.wish)[:MAX_MESSAGE_CHARS] or None

    @property
    def filters(self) -> dict[str, Any] | None:
        """All constraints as one filter."""
        held = [constraint.filter for constraint in self.constraints]
        return {"all": held} if held else None

    def ask(self, options: RequestOptions) -> RequestOptions:
        """Return what is asked under this state beside other options."""
        own, excluded = self.filters, [*options.get("exclude", ()), *self.excluded]
        given = [each for each in (options.get("filters"), own) if each is not None]
        filters = {"all": given} if given else None
        return {**options, "query": self.query, "filters": filters, "exclude": excluded}

    def keep(self, constraint: Constraint) -> ChatState:
        """Return the state with a constraint, in place of one on the same subject."""
        return self.model_copy(
            update={"constraints": (*self.without(constraint.subject).constraints, constraint)}
        )

    def without(self, *subjects: str) -> ChatState:
        """Return the state without what holds of some subjects."""
        kept = tuple(each for each in self.constraints if each.subject not in subjects)
        return self.model_copy(update={"constraints": kept})

    def constraint_on(self, subject: str) -> Constraint | None:
        """Return what holds of a subject."""
        return next((each for each in self.constraints if each.subject == subject), None)


def read_state(written: Any) -> ChatState:
    """Return a state as it was sent; None is that of a new conversation.

    Raises:
        DataError: It is none that an answer could have held.
    """
    if written is None:
        return ChatState()
    if isinstance(written, ChatState):
        return written
    try:
        state = ChatState.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("state", *first["loc"])))
        raise DataError(f"{where}: {first['msg']}; send back the state of the answer") from None
    for place, constraint in enumerate(state.constraints):
        where = f"state.constraints.{place}.filter"
        read_filter(constraint.filter, where)
        if not _is_of_its_subject(constraint):
            raise DataError(
                f"{where} is none that an answer held on {constraint.subject!r}; "
                "send back the state of the answer"
            )
    return state


def _is_of_its_subject(constraint: Constraint) -> bool:
    """Return whether a later message finds in a filter what its subject says is there.

    Bounds and values that are asked for are read again: by "cheaper", by "not that brand".
    """
    attribute, _, kind = constraint.subject.rpartition(" ")
    written = constraint.filter
    if kind in ("l", "g"):
        bounds = _only_value(written, attribute)
        bound = _only_value(bounds, f"{kind}t", f"{kind}te")
        return isinstance(bound, int | float)
    if kind == "=":
        several = _only_value(written, "any")
        parts = several if isinstance(several, list | tuple) and several else [written]
        first = _only_value(parts[0], attribute)
        return isinstance(_only_value(first, "any"), list | tuple)
    return True


def _only_value(written: Any, *keys: str) -> Any:
    """Return the value of an object of one entry, if its key is one of some."""
    if isinstance(written, dict) and len(written) == 1:
        ((key, value),) = written.items()
        return value if key in keys else None
    return None


def read_messages(written: Any) -> list[str]:
    """Return what the user said, oldest first.

    Args:
        written: The last message as text, or all as ``{"role", "content"}``.

    Raises:
        DataError: Nothing is said last by the user, or more than can be read.
    """
    if isinstance(written, str):
        written = [{"role": "user", "content": written}]
    messages: Sequence[Any] = list(check_collection(written, "messages", "messages"))
    if not messages or len(messages) > MAX_MESSAGES:
        raise DataError(f"messages: give 1 to {MAX_MESSAGES}, the user's newest last")
    said = []
    for place, message in enumerate(messages):
        fields = check_type(message, f"messages.{place}", dict, "a role and a content")
        role, content = fields.get("role"), fields.get("content")
        if role not in ("user", "assistant"):
            raise DataError(f"messages.{place}.role is {role!r}; it is user or assistant")
        text = check_text(content, f"messages.{place}.content")
        if len(text) > MAX_MESSAGE_CHARS:
            raise DataError(
                f"messages.{place}.content has {len(text):,} characters, more than "
                f"{MAX_MESSAGE_CHARS:,}; say it in a sentence or two"
            )
        if role == "user":
            said.append(text)
    last = messages[-1]
    if last["role"] != "user" or not last["content"].strip():
        raise DataError("messages: the last one must be the user's, and not empty")
    return said
