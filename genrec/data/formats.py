"""How public corpora name and write what we call users, items, times, ratings and reviews.

A table and nothing else: one ``Format`` per corpus, in the form it is downloaded in. The reading
itself is shared (``look``, ``clean``). A new corpus is a new entry of ``FORMATS``, and a name in
``config.FormatName``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genrec.data.corpora import (
    HM,
    INSTACART,
    KUAIREC,
    LASTFM_1K,
    MIND,
    RETAILROCKET,
    SEQUENCES,
    STEAM,
    YAMBDA,
)
from genrec.data.sources import Column, Constant, Derived, Format, Source, event_columns, layout
from genrec.data.times import TimeForm
from genrec.schema import (
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    ITEM_ID,
    TITLE,
)


def _first_path(categories: Any) -> Any:
    """Of several paths through a category tree keep the first."""
    nested = isinstance(categories, list) and categories and isinstance(categories[0], list)
    return categories[0] if nested else categories


def _split(separator: str) -> Callable[[str | None], list[str]]:
    return lambda text: text.split(separator) if text else []


_ML_GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()


def _flagged_genres(*flags: str) -> list[str]:
    return [genre for genre, flag in zip(_ML_GENRES, flags, strict=True) if flag.strip() == "1"]


def _listed_genres(genres: str | None) -> list[str]:
    return [] if not genres or genres == "(no genres listed)" else genres.split("|")


_BOOKKEEPING_SHELVES = {
    *("to-read", "currently-reading", "owned", "default", "favorites", "books-i-own", "library"),
    *(
        "ebook",
        "ebooks",
        "kindle",
        "audiobook",
        "audiobooks",
        "my-books",
        "owned-books",
        "wish-list",
    ),
}


def _shelves(shelves: list[dict[str, str]] | None, keep: int = 5) -> list[str]:
    """Readers' own shelves, most used first, stand in for the categories Goodreads lacks."""
    names = [shelf.get("name", "") for shelf in shelves or ()]
    return [name for name in names if name not in _BOOKKEEPING_SHELVES][:keep]


def _read_or_shelved(is_read: bool | None) -> str:
    if is_read is None:
        return "review"
    return "read" if is_read else "shelve"


def _stars(rating: Any) -> Any:
    """On Goodreads 0 stars mean that no rating was given."""
    return None if rating in (0, "0") else rating


_AMAZON_REVIEW = event_columns(
    "reviewerID",
    "asin",
    "unixReviewTime",
    Constant("purchase"),
    rating="overall",
    title="summary",
    review="reviewText",
)

_AMAZON_ITEM: dict[str, Column] = {
    ITEM_ID: "asin",
    TITLE: "title",
    BRAND: "brand",
    CATEGORIES: Derived(_first_path, ("categories",)),
    DESCRIPTION: "description",
}

AMAZON_2014 = Format(
    events=Source(_AMAZON_REVIEW, html=True),
    items=Source(_AMAZON_ITEM, html=True, attributes=("price",)),
)

AMAZON_2018 = Format(
    events=Source(_AMAZON_REVIEW, html=True),
    items=Source(
        {**_AMAZON_ITEM, CATEGORIES: "category"},
        html=True,
        text={"feature": "features"},
        attributes=("price", "main_cat"),
    ),
)

AMAZON_2023 = Format(
    events=Source(
        event_columns(
            "user_id",
            "parent_asin",
            "timestamp",
            Constant("purchase"),
            rating="rating",
            title="title",
            review="text",
        ),
        time=TimeForm("ms"),
        html=True,
    ),
    items=Source(
        {
            ITEM_ID: "parent_asin",
            TITLE: "title",
            BRAND: "store",
            CATEGORIES: Derived(
                lambda path, main: path or ([main] if main else []),
                ("categories", "main_category"),
            ),
            DESCRIPTION: "description",
        },
        html=True,
        text={"features": "features"},
        attributes=("price", "main_category", "average_rating", "rating_number"),
    ),
)

_MOVIELENS_EVENT = event_columns(
    "userId", "movieId", "timestamp", Constant("rating"), rating="rating"
)
_MOVIELENS_ITEM: dict[str, Column] = {
    ITEM_ID: "movieId",
    TITLE: "title",
    CATEGORIES: Derived(_listed_genres, ("genres",)),
}

MOVIELENS_100K = Format(
    events=Source(
        _MOVIELENS_EVENT, layout=layout(("userId", "movieId", "rating", "timestamp"), "\t")
    ),
    items=Source(
        {**_MOVIELENS_ITEM, CATEGORIES: Derived(_flagged_genres, tuple(_ML_GENRES))},
        layout=layout(("movieId", "title", "date", "video_date", "url", *_ML_GENRES), "|"),
        text={"date": "release date"},
    ),
)

MOVIELENS_1M = Format(
    events=Source(
        _MOVIELENS_EVENT, layout=layout(("userId", "movieId", "rating", "timestamp"), "::")
    ),
    items=Source(_MOVIELENS_ITEM, layout=layout(("movieId", "title", "genres"), "::")),
)

MOVIELENS_32M = Format(events=Source(_MOVIELENS_EVENT), items=Source(_MOVIELENS_ITEM))

YELP = Format(
    events=Source(
        event_columns(
            "user_id", "business_id", "date", Constant("review"), rating="stars", review="text"
        )
    ),
    items=Source(
        {
            ITEM_ID: "business_id",
            TITLE: "name",
            CATEGORIES: Derived(_split(", "), ("categories",)),
        },
        text={"city": "city", "state": "state"},
        attributes=("stars", "review_count", "is_open", "postal_code"),
    ),
)

GOODREADS = Format(
    events=Source(
        event_columns(
            "user_id",
            "book_id",
            "date_added",
            Derived(_read_or_shelved, ("is_read",)),
            rating=Derived(_stars, ("rating",)),
            review=Derived(
                lambda full, cut: full or cut, ("review_text", "review_text_incomplete")
            ),
        ),
        time=TimeForm(format="%a %b %d %H:%M:%S %z %Y"),
    ),
    items=Source(
        {
            ITEM_ID: "book_id",
            TITLE: "title",
            BRAND: "publisher",
            CATEGORIES: Derived(_shelves, ("popular_shelves",)),
            DESCRIPTION: "description",
        },
        text={"publication_year": "year", "num_pages": "pages", "format": "format"},
        attributes=("average_rating", "ratings_count", "language_code", "is_ebook"),
    ),
)

PLAIN = Format(
    events=Source(
        {name: name for name in EVENT_COLUMNS},
        time=None,
        others="refuse",
        by_name=True,
        nested=True,
    ),
    items=Source({name: name for name in ITEM_COLUMNS}, others="text", by_name=True),
)

FORMATS: Mapping[str, Format] = {
    "plain": PLAIN,
    "amazon-2014": AMAZON_2014,
    "amazon-2018": AMAZON_2018,
    "amazon-2023": AMAZON_2023,
    "movielens-100k": MOVIELENS_100K,
    "movielens-1m": MOVIELENS_1M,
    "movielens-32m": MOVIELENS_32M,
    "yelp": YELP,
    "goodreads": GOODREADS,
    "retailrocket": RETAILROCKET,
    "mind": MIND,
    "steam": STEAM,
    "lastfm-1k": LASTFM_1K,
    "hm": HM,
    "instacart": INSTACART,
    "kuairec": KUAIREC,
    "yambda": YAMBDA,
    "sequences": SEQUENCES,
}
