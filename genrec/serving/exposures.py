"""How often things were shown, for the rules that cap it: counted in the store's impressions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from genrec.base_recommender import BaseRecommender
from genrec.rules import NamedRule
from genrec.rules.exposures import settle
from genrec.rules.language import ShownAtMost
from genrec.serving.errors import ServiceError
from genrec.serving.store import ImpressionStore

DAY_S = 86_400
SHARE = 0.05
"""Of the time, at most, is spent on counting what everybody was shown."""
FRESH_S = 1.0
"""What everybody was shown is counted anew after so long, or later where counting takes long."""


class Exposures:
    """Makes of caps on what is shown within some time what they leave for one list."""

    def __init__(
        self,
        store: ImpressionStore,
        recommender: Callable[[], BaseRecommender],
        kept_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what is asked.

        Args:
            store: Of impressions.
            recommender: Returns the one that serves.
            kept_days: For how long impressions are kept; 0: for ever.
            clock: Seconds since 1970.
        """
        self._store = store
        self._recommender = recommender
        self._kept_days = kept_days
        self._clock = clock
        self._of_all: dict[float, tuple[float, Mapping[str, int]]] = {}
        self._turn = threading.Lock()

    def check(self, named: NamedRule) -> NamedRule:
        """Return a rule as it would be where nothing was shown yet.

        Raises:
            DataError: No item has the attribute.
            ServiceError: Impressions are not kept for so long.
        """
        if isinstance(named.rule, ShownAtMost):
            if 0 < self._kept_days < named.rule.days:
                raise ServiceError(
                    "too_many_days",
                    f"rule '{named.name}': it is kept for {self._kept_days} days what was shown "
                    f"(GENREC_IMPRESSION_DAYS), so {named.rule.days:g} cannot be counted",
                )
            return settle(named, named.rule, {}, self._recommender().attributes)
        return named

    def settle(self, rules: Sequence[NamedRule], user_id: str | None) -> list[NamedRule]:
        """Return rules with caps on what is shown as limits on the next list.

        Args:
            rules: Any.
            user_id: Who asks; None: somebody who was shown nothing yet.

        Raises:
            DataError: No item has an attribute.
            ServiceError: See ``check``.
        """
        return [self._settle(named, user_id) for named in rules]

    def _settle(self, named: NamedRule, user_id: str | None) -> NamedRule:
        rule = named.rule
        if not isinstance(rule, ShownAtMost):
            return named
        self.check(named)
        shown: Mapping[str, int] = {}
        if rule.to == "all":
            if named.version is None:
                raise ServiceError(
                    "not_stored",
                    f"rule '{named.name}': what everybody was shown is counted for stored rules "
                    "alone; store it with PUT /v1/rules/NAME and name it",
                )
            shown = self._to_all(rule.days)
        elif user_id is not None:
            shown = self._store.count_items(self._since(rule.days), user_id)
        return settle(named, rule, shown, self._recommender().attributes)

    def _to_all(self, days: float) -> Mapping[str, int]:
        with self._turn:
            until, shown = self._of_all.get(days, (0.0, {}))
            start = time.monotonic()
            if start >= until:
                shown = self._store.count_items(self._since(days))
                end = time.monotonic()
                self._of_all[days] = end + max(FRESH_S, (end - start) / SHARE), shown
            return shown

    def _since(self, days: float) -> int:
        return int(self._clock() - days * DAY_S)
