"""Preferences brought to a catalogue: what they do to a request, and to the list that answers it.

Enters: preferences, and the attributes of a table's items. Leaves: a ``Steering``, the same for
every request of a user. Less and more of an interest turn its odds in the search; of a filter's
items, they are rules that lower or raise their scores. Never is a mask of rows. A pin is a rule: at
least one item. The events of gifts are left out of the history, and their items are not shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genrec.errors import DataError
from genrec.filters import Filter
from genrec.filters.language import Among
from genrec.interests.counterfactual import MAX_STRENGTH, find_prefix
from genrec.preferences.language import Preferences, Want, Wish
from genrec.rules.language import AtLeast, Boost, NamedRule, Rule, Turn
from genrec.schema import ITEM_ID, Event, History, Request, SemanticId
from genrec.table_attributes import TableAttributes

FROM_USER = 0
"""Version of a rule that a preference became: like a stored one, it outlives what it names."""


@dataclass(frozen=True)
class Placed:
    """A wish brought to a catalogue.

    Attributes:
        wish: What was said.
        name: Of what it is about, for people.
        about: Prefix of the interest, or the filter.
        mask: The rows it is about. Shape: (N,), bool.
    """

    wish: Wish
    name: str
    about: SemanticId | Filter
    mask: np.ndarray

    @property
    def prefix(self) -> SemanticId | None:
        """Of the interest; None where it is about a filter's items."""
        return self.about if isinstance(self.about, tuple) else None

    @property
    def want(self) -> Want:
        """What is wanted of it."""
        return self.wish.want

    @property
    def nats(self) -> float | None:
        """What is added to the log-odds, below 0 for less; None: as much as their odds need."""
        if self.wish.nats is None:
            return None
        return -self.wish.nats if self.want == "less" else self.wish.nats


class Steering:
    """What one user's preferences do.

    Attributes:
        wishes: Those whose interest or attribute exists.
        gifts: What is left out of the history.
        lost: Messages about wishes whose interest or attribute does not exist, where
            such are passed over.
    """

    def __init__(
        self, preferences: Preferences, attributes: TableAttributes, passes_over: bool = False
    ) -> None:
        """Find what the preferences are about.

        Args:
            preferences: As the user said them.
            attributes: Of the catalogue's items.
            passes_over: Whether a wish about what does not exist is passed over, as of one that was
                stored before another model was trained; else it is an error.

        Raises:
            DataError: An interest, an attribute or an item does not exist, or wishes contradict
                each other.
        """
        self._attributes = attributes
        self.gifts = preferences.gifts
        self.lost: list[str] = []
        self.wishes: list[Placed] = []
        for wish in preferences.wishes:
            try:
                self.wishes.append(_place(wish, attributes))
            except DataError as error:
                if not passes_over:
                    raise type(error)(f"{wish.name}: {error}") from None
                self.lost.append(f"{wish.name}: {error}")
        self._allowed = _allowed(self.wishes)
        if not passes_over:
            for gift in self.gifts:
                attributes.of.index_of(gift.item_id)
            self._check()

    def rules(self, requests: Sequence[Request], k: int) -> list[NamedRule]:
        """Return what the lists must be like: more and less of filters' items, and the pins.

        A pin asks for nothing where a request leaves no item of it, or the list has no room.

        Args:
            requests: Those to be answered, steered.
            k: Length of the lists.
        """
        named, pins = [], 0
        for placed in self.wishes:
            if placed.want == "pin":
                if pins == k or not all(self._leaves(one, placed.mask) for one in requests):
                    continue
                pins += 1
            if (rule := self._rule(placed)) is not None:
                named.append(NamedRule(placed.wish.name, rule, FROM_USER, placed.wish.written))
        return named

    def steer(self, request: Request) -> Request:
        """Return the request as the user wants it answered; the same where nothing was said."""
        history = self.own(request.history)
        if history is not request.history:
            given = {gift.item_id for gift in self.gifts} if request.filter_seen else ()
            request = replace(request, history=history, exclude=request.exclude.union(given))
        bias, turned = dict(request.interest_bias), dict(request.turned)
        for placed in self.wishes:
            if placed.prefix is None or placed.want == "never" or placed.want == "pin":
                continue
            if placed.nats is None:
                turned[placed.prefix] = placed.want
            else:
                summed = bias.get(placed.prefix, 0.0) + placed.nats
                bias[placed.prefix] = min(max(summed, -MAX_STRENGTH), MAX_STRENGTH)
        if (bias, turned) != (request.interest_bias, request.turned):
            request = replace(request, interest_bias=bias, turned=turned)
        if self._allowed is None:
            return request
        within = self._attributes.narrowed(request.candidates, self._allowed)
        return replace(request, candidates=within)

    def own(self, history: History) -> History:
        """Return the history without the gifts; the same object where it holds none."""
        gifts = {
            place
            for place, event in enumerate(history.events)
            if any(gift.fits(event) for gift in self.gifts)
        }
        return history.without(gifts) if gifts else history

    def profile(self, history: History) -> History:
        """Return what of a history may speak for the user: no gifts, nothing never wanted."""
        if self._allowed is None:
            return self.own(history)
        allowed, table = self._allowed, self._attributes.of
        unwanted = {
            place
            for place, event in enumerate(history.events)
            if table.knows(event.item_id) and not allowed[table.index_of(event.item_id)]
        }
        return self.own(history.without(unwanted))

    def holds(self, placed: Placed, event: Event) -> bool:
        """Tell whether a wish is about the item of an event."""
        table = self._attributes.of
        return table.knows(event.item_id) and bool(placed.mask[table.index_of(event.item_id)])

    def forbids(self, name: str) -> bool:
        """Tell whether nothing of an interest, by its name, is ever wanted."""
        return name.strip().casefold() in self._never_named

    @cached_property
    def _never_named(self) -> frozenset[str]:
        table = self._attributes.of
        masks = [one.mask for one in self.wishes if one.want == "never" and one.prefix is not None]
        unwanted = {tuple(codes) for mask in masks for codes in table.codes[mask, :2].tolist()}
        prefixes = {prefix for codes in unwanted for prefix in (codes[:1], codes)}
        wishes = ((prefix, self.wish_of(prefix)) for prefix in prefixes)
        return frozenset(
            table.name_of(prefix).casefold()
            for prefix, wish in wishes
            if wish is not None and wish.want == "never"
        )

    def wish_of(self, prefix: SemanticId) -> Placed | None:
        """Return the wish about an interest, or about one that it lies in; None: there is none."""
        found = [
            placed
            for placed in self.wishes
            if placed.prefix is not None and prefix[: len(placed.prefix)] == placed.prefix
        ]
        return max(found, key=lambda placed: len(placed.prefix or ()), default=None)

    def _leaves(self, request: Request, mask: np.ndarray) -> bool:
        """Tell whether a request's filters leave any of some rows."""
        left = mask.copy()
        if request.candidates is not None:
            left &= self._attributes.row_mask(request.candidates)
        left[self._attributes.of.rows_of(request.forbidden)] = False
        return bool(left.any())

    def _rule(self, placed: Placed) -> Rule | None:
        about = placed.about
        if placed.want == "pin":
            if isinstance(about, tuple):
                rows, item_ids = np.flatnonzero(placed.mask), self._attributes.of.item_ids
                about = Among(ITEM_ID, "any", tuple(item_ids[row] for row in rows))
            return AtLeast(1, about)
        if placed.want == "never" or isinstance(about, tuple):
            return None
        return Turn(about, placed.want) if placed.nats is None else Boost(about, placed.nats)

    def _check(self) -> None:
        """Check that all wishes can be kept together."""
        said: dict[SemanticId | Filter, Placed] = {}
        for placed in self.wishes:
            other = said.setdefault(placed.about, placed)
            if other is not placed:
                raise DataError(
                    f"{other.wish.name} and {placed.wish.name} are both about '{placed.name}'; "
                    "say one thing of each interest"
                )
        if self._allowed is None:
            return
        if not self._allowed.any():
            raise DataError("the preferences leave no item: every one is 'never'; take one back")
        for placed in self.wishes:
            if placed.want != "never" and not (placed.mask & self._allowed).any():
                raise DataError(
                    f"{placed.wish.name} contradicts 'never': it asks for '{placed.want}' of "
                    f"'{placed.name}', of which 'never' leaves nothing; take one of the two back"
                )


def _allowed(wishes: Sequence[Placed]) -> np.ndarray | None:
    """Return which rows "never" leaves; None: all. Shape: (N,), bool."""
    masks = [placed.mask for placed in wishes if placed.want == "never"]
    return ~np.logical_or.reduce(masks) if masks else None


def _place(wish: Wish, attributes: TableAttributes) -> Placed:
    if not isinstance(wish.about, str | tuple):
        mask = attributes.mask(wish.about)
        if not mask.any():
            raise DataError("no item passes the filter; change it, or take the preference back")
        name = json.dumps(wish.written[wish.want], ensure_ascii=False)
        return Placed(wish, name, wish.about, mask)
    table = attributes.of
    prefix = find_prefix(table, wish.about)
    mask = (table.codes[:, : len(prefix)] == np.array(prefix)).all(axis=1)
    return Placed(wish, table.name_of(prefix), prefix, mask)
