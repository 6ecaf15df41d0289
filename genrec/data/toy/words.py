"""What toy users type into the search field, and what they say of themselves when they join.

Chance has a generator of its own here, so that what users do is the same with these words or
without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.data.toy.catalogue import Catalogue, Theme, subtheme_of, theme_of
from genrec.data.toy.interests import PlantedInterest
from genrec.data.toy.reviews import noun_of
from genrec.schema import Event, Search

SEARCH_S = (5, 55)
"""How long before its event a search is made; sittings leave a minute between events."""
ABOUT_SHARE = 0.6
"""Of users, how many say something of themselves."""
CONTACT_SHARE = 0.1
"""Of these, how many write how to reach them, which nobody should read."""
ALONE = ("{a} is my thing.", "Here for {a}.", "I care for {a}, mostly.")
TOGETHER = ("I love {a} and {b}.", "Mostly {a}, some {b} too.", "Into {a}; also {b}.")
ASIDES = ("", "", " Two kids, no car.", " I read every review.", " New in town.")


def draw_searches(
    rng: np.random.Generator, catalogue: Catalogue, events: Sequence[Event], share: float
) -> tuple[Search, ...]:
    """Return searches, each in the minute before the event that it leads to; a share of events."""
    searches = []
    previous = -1
    for event in events:
        is_search, text = rng.random() < share, _text(rng, catalogue, event.item_id)
        at = event.timestamp - int(rng.integers(*SEARCH_S))
        if is_search and at > previous:
            searches.append(Search(at, text))
        previous = event.timestamp
    return tuple(searches)


def draw_about(
    rng: np.random.Generator, themes: Sequence[Theme], user_id: str, held: Sequence[PlantedInterest]
) -> str:
    """Return what a user who joins says of the interests held then."""
    names = [themes[interest.theme].name.lower() for interest in held if not interest.birth]
    places = rng.permutation(len(names))[:2]
    named = [names[place] for place in places]
    frames = TOGETHER if len(named) > 1 else ALONE
    text = frames[rng.integers(len(frames))].format(a=named[0], b=named[-1])
    text = text[0].upper() + text[1:] + ASIDES[rng.integers(len(ASIDES))]
    if rng.random() < CONTACT_SHARE:
        text += f" Write to {user_id}@post.example or call +44 20 7946 0{rng.integers(100, 999)}."
    return text


def _text(rng: np.random.Generator, catalogue: Catalogue, item_id: str) -> str:
    """Return words that name an item, as people type them."""
    index = catalogue.index_of[item_id]
    name, noun = catalogue.names[index], noun_of(catalogue.names[index])
    subtheme = catalogue.themes[theme_of(index)].subthemes[subtheme_of(index)]
    words = name.split(",")[0].split(" with ")[0].split()
    texts = (" ".join(words[-2:]), f"{subtheme} {noun}", f"{catalogue.items[index].brand} {noun}")
    return texts[rng.integers(len(texts))].lower()
