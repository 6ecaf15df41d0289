"""New items of the toy shop, and wishes for old ones, in words that the shop does not use."""

from __future__ import annotations

import tomllib
from pathlib import Path

from genrec.data.toy.catalogue import Catalogue
from genrec.schema import Item

SOURCE = Path(__file__).with_name("unseen.toml")


def load_new_items(catalogue: Catalogue) -> list[tuple[Item, str]]:
    """Return items that are not in the catalogue, each with the name of its theme.

    They have a title and a description alone. Only those of the catalogue's themes are there.
    """
    told = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["new"]
    entries = [
        (theme.name, *entry.split(" | "))
        for theme in catalogue.themes
        for entry in told.get(theme.name, ())
    ]
    return [
        (Item(f"N{number:02d}", title=name, description=description), theme)
        for number, (theme, name, description) in enumerate(entries, start=1)
    ]


def load_wishes(catalogue: Catalogue) -> list[tuple[str, Item]]:
    """Return reviews that wish for an item of the catalogue in other words, each with the item."""
    told = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["wishes"]
    items = dict(zip(catalogue.names, catalogue.items, strict=True))
    return [(review, items[name]) for name, review in told.items() if name in items]
