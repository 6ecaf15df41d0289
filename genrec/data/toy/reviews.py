"""Ratings, and short reviews that agree with them.

A review may speak of three things that only a reader can know: a wish for another item, of any
theme, which the next event mostly fulfils; that the user is done with the item's brand; and that an
interest comes to its end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.data.toy.catalogue import Catalogue, subtheme_of, theme_of

REVIEW_SHARE = 0.7
WISHES = ("Next on my list: the ", "Now I want the ", "Saving up for the ")
COMPLAINT = "Never again {brand}."
FAREWELL = "My {theme} days are over."

GOOD = (
    "Love this {noun}.",
    "Exactly the {noun} I was hoping for.",
    "Better than I expected.",
    "My best buy this year.",
    "Could not be happier with this {noun}.",
    "Worth every penny.",
    "Second {noun} I tried, and this one stays.",
    "Five stars from me.",
)
MIXED = (
    "It does the job.",
    "A decent {noun}, nothing more.",
    "Fine for the price.",
    "I wanted to love this {noun}.",
    "Good idea, average result.",
)
BAD = (
    "Sadly this {noun} went back.",
    "Not for me.",
    "Expected far more from {brand}.",
    "I would not buy this {noun} again.",
    "Disappointed.",
    "Save your money.",
)
PRAISE = (
    "The {aspect} impressed me.",
    "Great {aspect}.",
    "Really pleased with the {aspect}.",
    "You notice the {aspect} at once.",
    "Top marks for {aspect}.",
)
BLAME = (
    "The {aspect} let me down.",
    "Poor {aspect}.",
    "Never got used to the {aspect}.",
    "The {aspect} was not as described.",
)
GOOD_USE = ("Used it {moment} and it never let me down.", "Perfect {moment}.", "A joy {moment}.")
MIXED_USE = ("Used it {moment}, with mixed luck.", "All right {moment}.")
BAD_USE = ("Failed me {moment}.", "Tried it {moment} and gave up.")
GOOD_END = (
    "Would buy again.",
    "Highly recommended!",
    "Already told my friends.",
    "Thank you, {brand}.",
)
BAD_END = ("Asked for a refund.", "Back to my old one.", "One star is generous.", "Avoid.")
TITLES = {
    "good": ("Exactly right", "Love it", "So good", "A keeper", "Worth it", "Great {noun}"),
    "mixed": ("It's OK", "Mixed feelings", "Average", "Does the job"),
    "bad": ("Not for me", "Disappointing", "Sent it back", "Oh dear"),
}


def draw_rating(rng: np.random.Generator, quality: float, is_fading: bool) -> float:
    """Return 1 to 5 stars; people whose interest fades are harder to please."""
    stars = 4.3 + quality - (0.9 if is_fading else 0.0) + rng.normal(0, 0.8)
    return float(np.clip(round(stars), 1, 5))


@dataclass(frozen=True)
class Said:
    """What a review tells of things to come.

    Attributes:
        wish: The item wished for.
        is_done_with_brand: Whether the brand of the item will be shunned.
        is_done_with_theme: Whether the interest comes to its end.
    """

    wish: int | None = None
    is_done_with_brand: bool = False
    is_done_with_theme: bool = False


def write_review(
    rng: np.random.Generator, catalogue: Catalogue, item: int, rating: float, said: Said
) -> tuple[str, str]:
    """Return the title and the text of a review; what is said of things to come stands first."""
    theme = catalogue.themes[theme_of(item)]
    words = {
        "noun": noun_of(catalogue.names[item]),
        "brand": catalogue.items[item].brand,
        "moment": _pick(rng, theme.moments),
        "theme": theme.name.lower(),
    }
    tone = "good" if rating >= 4 else "mixed" if rating == 3 else "bad"
    opening = {"good": GOOD, "mixed": MIXED, "bad": BAD}[tone]
    use = {"good": GOOD_USE, "mixed": MIXED_USE, "bad": BAD_USE}[tone]
    first, second = rng.permutation(len(theme.aspects[0]))[:2]
    aspects = theme.aspects[subtheme_of(item)]
    praise = _pick(rng, PRAISE).format(aspect=aspects[first])
    blame = _pick(rng, BLAME).format(aspect=aspects[second])
    sentences = [_pick(rng, opening)]
    sentences += {"good": [praise], "mixed": [praise, blame], "bad": [blame]}[tone]
    sentences.append(_pick(rng, use))
    sentences.append(_pick(rng, BAD_END if tone == "bad" else GOOD_END))
    if tone == "mixed":
        sentences.pop()
    keep = sorted(rng.permutation(len(sentences))[: rng.integers(1, len(sentences) + 1)])
    text = [sentences[place] for place in keep]
    text[:0] = [FAREWELL] * said.is_done_with_theme + [COMPLAINT] * said.is_done_with_brand
    if said.wish is not None:
        text.insert(0, f"{_pick(rng, WISHES)}{catalogue.names[said.wish]}.")
    return _pick(rng, TITLES[tone]).format(**words), " ".join(text).format(**words)


def read_wish(catalogue: Catalogue, review: str | None) -> int | None:
    """Return the item a review wishes for."""
    for opening in WISHES:
        if review and review.startswith(opening):
            wished = review.removeprefix(opening)
            found = (i for i, name in enumerate(catalogue.names) if wished.startswith(name + "."))
            return next(found)
    return None


def read_complaint(catalogue: Catalogue, item: int, review: str | None) -> str | None:
    """Return the brand that a review of an item is done with."""
    brand = catalogue.items[item].brand
    return brand if review and COMPLAINT.format(brand=brand) in review else None


def noun_of(name: str) -> str:
    """Return what people call the item: "Conical Burr Grinder, 2 Pack" is a grinder."""
    return name.split(",")[0].split(" with ")[0].split()[-1].lower()


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]
