"""Draw the toy world: users with planted interests, and the events that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from genrec.data.toy.catalogue import Catalogue, load_catalogue, theme_of
from genrec.data.toy.interests import PlantedInterest, plant_interests
from genrec.data.toy.reviews import REVIEW_SHARE, Said, draw_rating, write_review
from genrec.data.toy.shopper import Shopper
from genrec.data.toy.words import ABOUT_SHARE, draw_about, draw_searches
from genrec.schema import Event, Search

START = 1_672_531_200
"""2023-01-01 UTC."""
DAY_S = 86_400
SPAN_S = 730 * DAY_S
VIEW_SHARE = 0.3
RATED_SHARE = 0.85
WISHING_SHARE = 0.7
"""Of reviews, how many speak of a wish."""
COMPLAINING_SHARE = 0.6
"""Of reviews with three stars or fewer, how many are done with the brand."""
LEAVING_SHARE = 0.5
"""Of reviews under an interest that fades, how many say so."""
FIRST_NAMES = (
    "ada amir anya arlo bea carlos chloe dara dev elif emil esme farah felix freya gita hana hugo "
    "ida imre ines ivan jada jonas june kaito kira lars leila liam lotte luca maeve malik maya "
    "milo nadia nico nora omar oona otto petra priya quinn rafi rosa ruben sami sara soren tara "
    "theo uma vera wanda xenia yara yusuf zoe"
).split()


class ToyConfig(BaseModel):
    """Settings of the toy world.

    Attributes:
        num_users: More users leave the earlier ones as they are.
        num_newcomers: People who say something of themselves and have done nothing yet; what they
            will do is in the truth.
        events_per_user: The median; half of it and twice as many both happen.
        num_themes: Of the twelve in the catalogue; 20 items each.
        search_share: Of the events, how many follow a search for the item.
        repeat_rate: How often a user buys again something that runs out.
        seed: Equal settings give equal bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_users: int = Field(default=700, ge=1)
    num_newcomers: int = Field(default=40, ge=0)
    events_per_user: int = Field(default=25, ge=8)
    num_themes: int = Field(default=12, ge=6, le=12)
    search_share: float = Field(default=0.15, ge=0, le=1)
    repeat_rate: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class ToyUser:
    """One simulated user.

    Attributes:
        user_id: External ID.
        start: Of the time line, seconds; the first event comes some time after.
        end: Of the time line.
        interests: As planted.
        events: Oldest first.
        searches: Oldest first.
        about: What the user said of themselves on joining; None: nothing.
    """

    user_id: str
    start: int
    end: int
    interests: tuple[PlantedInterest, ...]
    events: tuple[Event, ...]
    searches: tuple[Search, ...]
    about: str | None


def draw_world(config: ToyConfig) -> tuple[Catalogue, Iterator[ToyUser]]:
    """Return the catalogue and, one by one, its users."""
    return load_catalogue(config.num_themes), _draw(config, range(config.num_users))


def draw_newcomers(config: ToyConfig) -> Iterator[ToyUser]:
    """Yield people who say something of themselves, with what they will do."""
    return _draw(config, range(config.num_users, config.num_users + config.num_newcomers))


def _draw(config: ToyConfig, numbers: range) -> Iterator[ToyUser]:
    catalogue = load_catalogue(config.num_themes)
    quality = np.random.default_rng([config.seed]).normal(0, 0.45, size=len(catalogue.items))
    for number in numbers:
        yield _draw_user(catalogue, quality, config, number)


def _draw_user(
    catalogue: Catalogue, quality: np.ndarray, config: ToyConfig, number: int
) -> ToyUser:
    # A generator for each user, so that the users do not depend on how many there are.
    rng = np.random.default_rng([config.seed, number])
    user_id = f"{FIRST_NAMES[number % len(FIRST_NAMES)]}-{number + 1:03d}"
    start = START + int(rng.uniform(0, 0.16) * SPAN_S)
    end = START + int(rng.uniform(0.92, 1.0) * SPAN_S)
    interests = plant_interests(rng, config.num_themes, start, end)
    shopper = Shopper(catalogue.brands, interests, config.repeat_rate)
    events = []
    times = _draw_times(rng, start, end, config.events_per_user)
    for at, following in zip(times, [*times[1:], end], strict=True):
        event_type = "view" if rng.random() < VIEW_SHARE else "purchase"
        chances = shopper.probabilities(at, event_type)
        if chances.sum() == 0:
            break
        item = int(rng.choice(len(chances), p=chances))
        rating, title, review = None, None, None
        is_tired = shopper.is_tired_of(theme_of(item), at)
        if event_type == "purchase" and rng.random() < RATED_SHARE:
            rating = draw_rating(rng, quality[item], is_tired)
        shopper.observe(item, at, rating)
        if rating is not None and rng.random() < REVIEW_SHARE:
            complains = rating <= 3 and rng.random() < COMPLAINING_SHARE
            shopper.shun(catalogue.brands[item] if complains else None)
            wish = shopper.draw_wish(rng, following) if rng.random() < WISHING_SHARE else None
            shopper.wish_for(wish)
            leaves = is_tired and rng.random() < LEAVING_SHARE
            said = Said(wish, is_done_with_brand=complains, is_done_with_theme=leaves)
            title, review = write_review(rng, catalogue, item, rating, said)
        item_id = catalogue.items[item].item_id
        events.append(Event(user_id, item_id, at, event_type, rating, title, review))
    of_words = np.random.default_rng([config.seed, number, 1])
    searches = draw_searches(of_words, catalogue, events, config.search_share)
    tells = of_words.random() < ABOUT_SHARE or number >= config.num_users
    about = draw_about(of_words, catalogue.themes, user_id, interests) if tells else None
    return ToyUser(user_id, start, end, interests, tuple(events), searches, about)


def _draw_times(rng: np.random.Generator, start: int, end: int, median: int) -> list[int]:
    """Return increasing times in sittings of one to a few events, by day."""
    wanted = int(np.clip(rng.lognormal(np.log(median), 0.35), 8, 4 * median))
    times: set[int] = set()
    while len(times) < wanted:
        day = int(rng.uniform(start, end - DAY_S)) // DAY_S * DAY_S
        at = max(start, day + int(rng.uniform(7, 22) * 3600))
        for _ in range(min(rng.geometric(0.4), wanted - len(times))):
            times.add(at)
            at += int(rng.uniform(60, 1800))
    return sorted(times)
