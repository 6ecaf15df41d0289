"""The toy shop's catalogue, read from ``catalogue.toml``.

Inside the toy world an item is an integer laid out by theme, then subtheme, then position in the
subtheme's chain, so that a theme is one slice of any array over items.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genrec.schema import Item

SOURCE = Path(__file__).with_name("catalogue.toml")
SUBTHEMES = 4
CHAIN = 5
"""Items of a subtheme; the last one runs out and may be bought again."""
THEME_ITEMS = SUBTHEMES * CHAIN


@dataclass(frozen=True)
class Theme:
    """One field of interest.

    Attributes:
        name: For people.
        subthemes: Their names, in the order users move through them.
        aspects: For each subtheme the nouns a review of its items may praise or blame.
        moments: Where and when users use things of this theme.
    """

    name: str
    subthemes: tuple[str, ...]
    aspects: tuple[tuple[str, ...], ...]
    moments: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Themes in a ring, and their items.

    Attributes:
        themes: An interest in one often leads to the next; the last leads to the first.
        names: Of each item, without the brand.
        items: As they stand in the shop, in the same order.
    """

    themes: tuple[Theme, ...]
    names: tuple[str, ...]
    items: tuple[Item, ...]

    @cached_property
    def brands(self) -> tuple[str | None, ...]:
        """Of each item."""
        return tuple(item.brand for item in self.items)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Item integers by item ID."""
        return {item.item_id: index for index, item in enumerate(self.items)}


def theme_of(item: int) -> int:
    """Return the theme of an item."""
    return item // THEME_ITEMS


def subtheme_of(item: int) -> int:
    """Return the place of an item's subtheme within its theme."""
    return item % THEME_ITEMS // CHAIN


def position_of(item: int) -> int:
    """Return the place of an item in its subtheme's chain."""
    return item % CHAIN


def load_catalogue(num_themes: int) -> Catalogue:
    """Read the first ``num_themes`` themes."""
    source = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["theme"][:num_themes]
    names: list[str] = []
    items: list[Item] = []
    for theme in source:
        for subtheme in theme["subtheme"]:
            for entry in subtheme["items"]:
                name, description = entry.split(" | ")
                brand = theme["brands"][len(items) % len(theme["brands"])]
                names.append(name)
                items.append(
                    Item(
                        item_id=f"P{len(items) + 1:03d}",
                        title=f"{brand} {name}",
                        brand=brand,
                        categories=(theme["department"], theme["name"], subtheme["name"]),
                        description=description,
                    )
                )
    themes = tuple(
        Theme(
            name=theme["name"],
            subthemes=tuple(subtheme["name"] for subtheme in theme["subtheme"]),
            aspects=tuple(tuple(subtheme["aspects"]) for subtheme in theme["subtheme"]),
            moments=tuple(theme["moments"]),
        )
        for theme in source
    )
    return Catalogue(themes, tuple(names), tuple(items))
