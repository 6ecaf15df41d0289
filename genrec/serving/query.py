"""What is asked about items, before and after the user is looked up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genrec.rules import NamedRule
from genrec.schema import Event, Recommendation, Request, SemanticId
from genrec.serving.store import Draft


@dataclass(frozen=True)
class Query:
    """What is asked about items; each field means what it means in ``Recommender.recommend``.

    Attributes:
        user_id: A user with events; None: ``events`` are the history.
        events: In any order.
        without: Events to leave out, by number in the history or by event ID.
        query: What is looked for, in words.
        about: What the user says of themselves, in place of what is known.
        shown: Items that earlier pages showed; not to be shown again.
        arm: Of an experiment, as the client calls it: kept with what is shown.
    """

    user_id: str | None = None
    events: Sequence[Event] = ()
    exclude: Sequence[str] = ()
    candidates: Sequence[str] | None = None
    at: int | None = None
    event_type: str | None = None
    filter_seen: bool = True
    as_of: int | None = None
    without: Sequence[int | str] = ()
    interest_bias: Mapping[str | SemanticId, float] = field(default_factory=dict)
    filters: Mapping[str, Any] | None = None
    query: str | None = None
    about: str | None = None
    shown: Collection[str] = ()
    arm: str | None = None


@dataclass(frozen=True)
class Asked:
    """A query whose user was looked up.

    Attributes:
        request: What the model is asked.
        user_id: See ``Query``.
        forgotten: How often the user had been deleted when the history was read.
        arm: See ``Query``.
        arms: The user's arm in each experiment that rules name, by its name.
    """

    request: Request
    user_id: str | None
    forgotten: int
    arm: str | None = None
    arms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is recommended.

    Attributes:
        items: Best first.
        adapter: The one that chose them; None: the base alone.
        rules: Those that they keep.
        as_asked: Whether the model answered as the rules say; otherwise as without them, which is
            no page of an experiment.
        draft: How they were mixed of two arms' lists; None: they were not.
    """

    items: Sequence[Recommendation]
    adapter: str | None
    rules: Sequence[NamedRule] = ()
    as_asked: bool = True
    draft: Draft | None = None
