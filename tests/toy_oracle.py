"""The best a recommender could do on the toy world: rank by the very chances it was drawn from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.toy.catalogue import load_catalogue
from genrec.data.toy.files import TRUTH_FILE
from genrec.data.toy.interests import PlantedInterest
from genrec.data.toy.reviews import read_complaint, read_wish
from genrec.data.toy.shopper import Shopper
from genrec.errors import ArtifactError, DataError
from genrec.schema import History, Recommendation, Request


class Oracle:
    """A ranker that knows each toy user's planted interests.

    It knows strengths that no history shows, so it bounds what can be learned from above.
    """

    name = "oracle"

    def __init__(self, toy: Path) -> None:
        """Read the truth of the toy world at ``toy``.

        Raises:
            ArtifactError: There is none.
        """
        path = Path(toy) / TRUTH_FILE
        try:
            truth = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtifactError(f"{path} does not exist; write a toy world there first") from None
        self._catalogue = load_catalogue(truth["config"]["num_themes"])
        self._repeat_rate = truth["config"]["repeat_rate"]
        places = {name: place for place, name in enumerate(truth["themes"])}
        self._interests = {
            user_id: tuple(_read_interest(interest, places) for interest in user["interests"])
            for user_id, user in truth["users"].items()
        }

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank items by the probability that they come next."""
        return [self._recommend(request, k) for request in requests]

    def _recommend(self, request: Request, k: int) -> list[Recommendation]:
        history, items = request.history, self._catalogue.items
        chances = self._chances(history, request.at, request.event_type)
        forbidden = request.forbidden
        ranked: list[Recommendation] = []
        for index in np.argsort(-chances, kind="stable"):
            item = items[index]
            is_allowed = request.candidates is None or item.item_id in request.candidates
            if is_allowed and item.item_id not in forbidden:
                score = float(chances[index])
                ranked.append(Recommendation(item.item_id, len(ranked) + 1, score, item.title))
            if len(ranked) == k:
                break
        return ranked

    def _chances(self, history: History, at: int | None, event_type: str | None) -> np.ndarray:
        interests = self._interests.get(history.user_id)
        if interests is None:
            raise DataError(
                f"user '{history.user_id}' is not in the toy world; ask for one of its users"
            )
        shopper = Shopper(self._catalogue.brands, interests, self._repeat_rate)
        for event in history.events:
            item = self._catalogue.index_of[event.item_id]
            shopper.observe(item, event.timestamp, event.rating)
            shopper.shun(read_complaint(self._catalogue, item, event.review))
            shopper.wish_for(read_wish(self._catalogue, event.review))
        last = history.events[-1] if history.events else None
        at = at if at is not None else (last.timestamp if last else interests[0].times[0])
        return shopper.probabilities(at, event_type or (last and last.event_type) or "purchase")


def _read_interest(truth: dict[str, Any], places: dict[str, int]) -> PlantedInterest:
    times, strengths = zip(*truth["knots"], strict=True)
    return PlantedInterest(places[truth["theme"]], times, strengths, truth["trend"])
