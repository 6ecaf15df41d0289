"""Write the toy world: events and items for every stage, the truth for checks."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from genrec.artifacts import read_manifest, write_aside, write_manifest
from genrec.data.toy.catalogue import Catalogue, position_of, subtheme_of, theme_of
from genrec.data.toy.interests import weights
from genrec.data.toy.world import ToyConfig, ToyUser, draw_newcomers, draw_world
from genrec.progress import track
from genrec.schema import (
    ABOUT,
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_COLUMNS,
    ITEM_ID,
    SEARCH,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
    Event,
)

EVENTS_FILE = "events.csv.gz"
USERS_FILE = "users.csv.gz"
ITEMS_FILE = "items.jsonl.gz"
TRUTH_FILE = "truth.json"
KIND = "toy"


def write_toy(out: Path, config: ToyConfig | None = None) -> None:
    """Write the toy world as a directory; it appears whole or not at all.

    ``events.csv.gz`` lies in the order of time, searches among the events, ``items.jsonl.gz`` in no
    order, and ``users.csv.gz`` holds what users say of themselves.

    ``truth.json`` holds ``config``; ``themes``: names, in the order of the ring; ``items``: by item
    ID the theme, subtheme and position in the subtheme's chain; ``users``: by user ID the start
    and end of the time line, the ``interests`` (theme, ``knots`` as [seconds, strength], birth in
    seconds or null if held from the start, trend, and weight at the end) and the ``events``,
    oldest first, as [seconds, item ID, theme, whether it follows an interest]; ``newcomers``: the
    same of people who are in no file but that of users yet.

    Args:
        out: Directory to make, or to replace where it holds an earlier toy world.
        config: The default world if None.

    Raises:
        ArtifactError: ``out`` holds something that genrec did not make.
    """
    config = config or ToyConfig()
    catalogue, drawn = draw_world(config)
    users = list(track(drawn, "Drawing users", total=config.num_users))
    newcomers = list(draw_newcomers(config))
    with write_aside(Path(out)) as scratch:
        _write_events(scratch / EVENTS_FILE, users)
        _write_items(scratch / ITEMS_FILE, catalogue, config.seed)
        _write_users(scratch / USERS_FILE, [*users, *newcomers])
        text = json.dumps(_describe_truth(catalogue, users, newcomers, config), ensure_ascii=False)
        (scratch / TRUTH_FILE).write_text(text + "\n", encoding="utf-8")
        files = [EVENTS_FILE, ITEMS_FILE, USERS_FILE, TRUTH_FILE]
        write_manifest(scratch, Path(out), KIND, config.model_dump(), files)


def read_config(toy: Path) -> ToyConfig:
    """Return the settings that a toy world was written with; they make the same world again.

    Raises:
        ArtifactError: There is none.
    """
    return ToyConfig.model_validate(read_manifest(toy, KIND).config)


def _write_events(path: Path, users: Sequence[ToyUser]) -> None:
    rows = [asdict(event) for user in users for event in user.events]
    rows += [
        asdict(Event(user.user_id, "", search.timestamp, SEARCH)) | {TEXT: search.text}
        for user in users
        for search in user.searches
    ]
    rows.sort(key=lambda row: (row[TIMESTAMP], row[USER_ID]))
    with _gzip_text(path) as file:
        columns = (*EVENT_COLUMNS, TEXT) if any(TEXT in row for row in rows) else EVENT_COLUMNS
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_users(path: Path, users: Sequence[ToyUser]) -> None:
    with _gzip_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((USER_ID, ABOUT))
        writer.writerows((user.user_id, user.about) for user in users if user.about)


def _write_items(path: Path, catalogue: Catalogue, seed: int) -> None:
    # Shuffled, so that no stage can profit from themes lying side by side.
    order = np.random.default_rng([seed]).permutation(len(catalogue.items))
    with _gzip_text(path) as file:
        for index in order:
            item = catalogue.items[index]
            row = {
                ITEM_ID: item.item_id,
                TITLE: item.title,
                BRAND: item.brand,
                CATEGORIES: item.categories,
                DESCRIPTION: item.description,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _describe_truth(
    catalogue: Catalogue,
    users: Sequence[ToyUser],
    newcomers: Sequence[ToyUser],
    config: ToyConfig,
) -> dict[str, Any]:
    themes = catalogue.themes

    def described(some: Sequence[ToyUser]) -> dict[str, Any]:
        return {user.user_id: _describe_user(catalogue, user) for user in some}

    return {
        "config": config.model_dump(),
        "themes": [theme.name for theme in themes],
        "items": {
            item.item_id: {
                "theme": themes[theme_of(index)].name,
                "subtheme": themes[theme_of(index)].subthemes[subtheme_of(index)],
                "position": position_of(index),
            }
            for index, item in enumerate(catalogue.items)
        },
        "users": described(users),
        "newcomers": described(newcomers),
    }


def _describe_user(catalogue: Catalogue, user: ToyUser) -> dict[str, Any]:
    names = [theme.name for theme in catalogue.themes]
    held = {interest.theme for interest in user.interests}
    themes = [theme_of(catalogue.index_of[event.item_id]) for event in user.events]
    return {
        "start": user.start,
        "end": user.end,
        "interests": [
            {
                "theme": names[interest.theme],
                "knots": list(zip(interest.times, interest.strengths, strict=True)),
                "birth": interest.birth,
                "trend": interest.trend,
                "weight": round(float(weight), 4),
            }
            for interest, weight in zip(
                user.interests, weights(user.interests, user.end), strict=True
            )
        ],
        "events": [
            [event.timestamp, event.item_id, names[theme], theme in held]
            for event, theme in zip(user.events, themes, strict=True)
        ],
    }


@contextmanager
def _gzip_text(path: Path) -> Iterator[TextIO]:
    """Open for writing such that equal text gives equal bytes: no time, no name in the header."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as file,
    ):
        yield file
