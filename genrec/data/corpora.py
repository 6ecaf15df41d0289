"""Logs of shops, news, games and music by name, each in the form it is downloaded in.

As ``formats``, of which these are a part. Where a log names an item by words, the event file is the
item file, too: rows that say the same of an item count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from genrec.data.database import connect
from genrec.data.rows import Batch
from genrec.data.sources import Constant, Derived, Format, Source, event_columns, layout
from genrec.data.times import TimeForm
from genrec.errors import DataError
from genrec.schema import (
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    ITEM_COLUMNS,
    ITEM_ID,
    TIMESTAMP,
    TITLE,
    USER_ID,
)


def _listed(*parts: Any) -> list[str]:
    return [part for part in parts if part]


def _clicks(batch: Batch) -> Batch:
    """Make one row of each click: "N1-0 N2-1" is what was shown, and whether it was clicked."""
    if not batch.lines:
        return batch
    clicks = [
        (place, shown.removesuffix("-1"))
        for place, impressions in enumerate(batch.columns["impressions"].to_pylist())
        for shown in (impressions or "").split()
        if shown.endswith("-1")
    ]
    places = [place for place, _ in clicks]
    rows = pa.array(places, pa.int64())
    columns: dict[str, Any] = {name: batch.columns[name].take(rows) for name in ("user_id", "time")}
    columns["item_id"] = [item for _, item in clicks]
    return Batch([batch.lines[place] for place in places], columns, batch.rejects)


def _sequence(batch: Batch) -> Batch:
    """Make one row of each item of "u1 i7 i3 i9": a user, and what they took, oldest first."""
    words = [line.split() for line in batch.columns["line"].to_pylist()] if batch.lines else []
    places = [place for place, found in enumerate(words) for _ in found[1:]]
    columns: dict[str, Any] = {
        USER_ID: [words[place][0] for place in places],
        ITEM_ID: [item for found in words for item in found[1:]],
        TIMESTAMP: [str(number) for found in words for number in range(len(found) - 1)],
    }
    return Batch([batch.lines[place] for place in places], columns, batch.rejects)


def _track(track_id: str | None, artist: str | None, track: str | None) -> str | None:
    """Tracks that MusicBrainz does not know go by their names."""
    return track_id or (f"{artist} – {track}" if track else None)


RETAILROCKET = Format(
    events=Source(
        event_columns("visitorid", "itemid", "timestamp", "event"),
        time=TimeForm("ms"),
    ),
    items=Source({ITEM_ID: "itemid"}),
)

SEQUENCES = Format(
    events=Source(
        {USER_ID: USER_ID, ITEM_ID: ITEM_ID, TIMESTAMP: TIMESTAMP},
        layout=layout(("line",), encoding="utf-8"),
        reshape=_sequence,
    ),
    items=Source({name: name for name in ITEM_COLUMNS}, others="text", by_name=True),
)

_BEHAVIOURS = ("impression_id", "user_id", "time", "history", "impressions")
_NEWS = ("news_id", "category", "subcategory", "title", "abstract", "url", "entities", "more")
MIND = Format(
    events=Source(
        event_columns("user_id", "item_id", "time", Constant("click")),
        layout=layout(_BEHAVIOURS, encoding="utf-8"),
        time=TimeForm(format="%m/%d/%Y %I:%M:%S %p"),
        reshape=_clicks,
    ),
    items=Source(
        {
            ITEM_ID: "news_id",
            TITLE: "title",
            CATEGORIES: Derived(_listed, ("category", "subcategory")),
            DESCRIPTION: "abstract",
        },
        layout=layout(_NEWS, encoding="utf-8"),
    ),
)

STEAM = Format(
    events=Source(
        event_columns("username", "product_id", "date", Constant("review"), review="text")
    ),
    items=Source(
        {
            ITEM_ID: "id",
            TITLE: Derived(lambda name, title: name or title, ("app_name", "title")),
            BRAND: Derived(lambda maker, publisher: maker or publisher, ("developer", "publisher")),
            CATEGORIES: Derived(lambda genres, tags: genres or tags, ("genres", "tags")),
        },
        text={"tags": "tags", "specs": "specs", "release_date": "release date"},
        attributes=("price", "developer", "publisher", "early_access"),
    ),
)

_PLAYS = ("user_id", "timestamp", "artist_id", "artist", "track_id", "track")
_TRACK = Derived(_track, ("track_id", "artist", "track"))
LASTFM_1K = Format(
    events=Source(
        event_columns("user_id", _TRACK, "timestamp", Constant("play")),
        layout=layout(_PLAYS, encoding="utf-8"),
    ),
    items=Source(
        {ITEM_ID: _TRACK, TITLE: "track", BRAND: "artist"},
        layout=layout(_PLAYS, encoding="utf-8"),
    ),
)

HM = Format(
    events=Source(event_columns("customer_id", "article_id", "t_dat", Constant("purchase"))),
    items=Source(
        {
            ITEM_ID: "article_id",
            TITLE: "prod_name",
            CATEGORIES: Derived(_listed, ("index_name", "product_group_name", "product_type_name")),
            DESCRIPTION: "detail_desc",
        },
        text={"colour_group_name": "colour", "section_name": "section"},
        attributes=("product_type_name", "garment_group_name", "department_name"),
    ),
)

# Instacart tells no dates, but the days since a user's last order, and the hour.
_BASKETS = """
COPY (
    SELECT o.user_id, p.product_id, (86400 * o.day + 3600 * o.hour)::BIGINT AS time
    FROM (SELECT order_id, user_id, order_hour_of_day::BIGINT AS hour,
            sum(coalesce(try_cast(days_since_prior_order AS DOUBLE), 0)) OVER (
                PARTITION BY user_id ORDER BY order_number::BIGINT) AS day
        FROM {orders}) o
    JOIN {products} p USING (order_id)
    ORDER BY o.user_id::BIGINT, time, p.order_id::BIGINT, p.add_to_cart_order::BIGINT
) TO $out (FORMAT parquet)
"""
_PRODUCTS = """
COPY (SELECT product_id, product_name, {department} AS department, {aisle} AS aisle
    FROM {products} p {joins} ORDER BY product_id::BIGINT) TO $out (FORMAT parquet)
"""


def _instacart(files: Sequence[Path], workspace: Path) -> list[Path]:
    """Join the tables of orders and baskets, or of products and their names, to one file."""
    tables = {
        name: [str(file) for file in files if file.name.startswith(name)]
        for name in ("orders", "order_products", "products", "departments", "aisles")
    }
    read = {
        name: "read_csv([" + ", ".join(map(_quoted, paths)) + "], all_varchar=true, header=true)"
        for name, paths in tables.items()
    }
    if tables["products"]:
        out, named = (
            workspace / "products.parquet",
            [n for n in ("department", "aisle") if tables[n + "s"]],
        )
        query = _PRODUCTS.format(
            products=read["products"],
            joins=" ".join(f"LEFT JOIN {read[n + 's']} USING ({n}_id)" for n in named),
            **{
                name: name if name in named else "NULL::VARCHAR" for name in ("department", "aisle")
            },
        )
    elif tables["orders"] and tables["order_products"]:
        out = workspace / "baskets.parquet"
        query = _BASKETS.format(orders=read["orders"], products=read["order_products"])
    else:
        raise DataError(
            "instacart: give orders.csv and order_products__*.csv as events; as items products.csv "
            "and, for categories, departments.csv and aisles.csv"
        )
    with connect() as connection:
        try:
            connection.execute(query, {"out": str(out)})
        except duckdb.Error as error:
            raise DataError(f"instacart: {' '.join(str(error).split())[:300]}") from None
    return [out]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


INSTACART = Format(
    events=Source(event_columns("user_id", "product_id", "time", Constant("purchase"))),
    items=Source(
        {
            ITEM_ID: "product_id",
            TITLE: "product_name",
            CATEGORIES: Derived(_listed, ("department", "aisle")),
        }
    ),
    join=_instacart,
)

KUAIREC = Format(
    events=Source(event_columns("user_id", "video_id", "timestamp", Constant("watch"))),
    items=Source(
        {
            ITEM_ID: "video_id",
            TITLE: Derived(
                lambda caption, cover: caption or cover, ("caption", "manual_cover_text")
            ),
            CATEGORIES: Derived(
                _listed,
                (
                    "first_level_category_name",
                    "second_level_category_name",
                    "third_level_category_name",
                ),
            ),
        },
        text={"topic_tag": "topics"},
    ),
)

YAMBDA = Format(
    events=Source(
        event_columns(
            "uid", "item_id", "timestamp", Derived(lambda kind: kind or "listen", ("event_type",))
        )
    ),
    items=Source({ITEM_ID: "item_id", BRAND: "artist_id"}),
)
