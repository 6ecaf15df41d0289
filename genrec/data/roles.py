"""Names of columns to what they seem to be."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from genrec.schema import (
    ABOUT,
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    REVIEW,
    TIMESTAMP,
    TITLE,
    USER_ID,
)

_ITEMS = (
    "itemid item iid movieid productid product asin parentasin articleid article bookid book isbn "
    "businessid trackid track songid song gameid game appid newsid videoid video poiid venueid "
    "restaurantid recipeid artistid sku skuid goodsid offerid adid productcode stockcode "
    "musicid podcastid contentid"
)
_SYNONYMS = {
    USER_ID: (
        "userid user uid visitorid visitor customerid customer clientid memberid member reviewerid "
        "reviewer buyerid accountid personid profileid username author viewerid sessionid session "
        "steamid householdkey"
    ),
    ITEM_ID: _ITEMS,
    TIMESTAMP: (
        "timestamp time ts datetime date unixreviewtime unixtime eventtime createdat created "
        "creationtime eventtimestamp eventdate tdat reviewdate reviewtime playedat orderdate "
        "invoicedate purchasedate transactiondate dateadded when at t"
    ),
    EVENT_TYPE: (
        "eventtype eventname event action actiontype behavior behaviour behaviortype interaction "
        "interactiontype activity kind"
    ),
    RATING: "rating stars score overall ratings rate preference reviewrating grade vote",
    REVIEW: "review reviewtext text comment reviewbody body content feedback",
}
_ITEM_SYNONYMS = {
    ITEM_ID: _ITEMS + " id",
    TITLE: "title name itemname producttitle productname movietitle appname itemtitle label",
    BRAND: "brand maker manufacturer publisher store developer vendor artist artistname author",
    CATEGORIES: "categories category genres genre tags department maincategory producttype",
    DESCRIPTION: "description desc detaildesc details about summary abstract overview",
}
EVENT_ROLES = {role: tuple(names.split()) for role, names in _SYNONYMS.items()} | {
    TITLE: ("reviewtitle", "summary", "headline", "reviewsummary")
}
ITEM_ROLES = {role: tuple(names.split()) for role, names in _ITEM_SYNONYMS.items()}
SEARCH_TEXT = (
    "searchterm searchquery searchtext searchstring searchphrase searchkeyword searchkeywords "
    "query keyword keywords term q"
).split()
"""What the text of a search is called, in a log that holds searches."""
USER_ROLES = {
    USER_ID: EVENT_ROLES[USER_ID] + ("id",),
    ABOUT: tuple("about bio aboutme biography description profile selfdescription".split()),
}
ROLES = {"event": EVENT_ROLES, "item": ITEM_ROLES, "user": USER_ROLES}
KNOWN = frozenset(
    name for roles in (EVENT_ROLES, ITEM_ROLES) for names in roles.values() for name in names
)

_PANDAS = re.compile(r"(unnamed:? ?\d+(_level_\d+)?|__index_level_\d+__|level_0|index|)", re.I)


def plain(name: str) -> str:
    """Return a name in small letters and digits; tables that Hive puts before it are dropped."""
    return _whole(name.rpartition(".")[2])


def _whole(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def same_names(found: Collection[str], ours: Sequence[str]) -> dict[str, str]:
    """Return for our columns the file's of the same name, but for case and punctuation."""
    by_name: dict[str, str] = {}
    for name in found:
        by_name.setdefault(plain(name), name)
        by_name.setdefault(_whole(name), name)
    exact = {name: name for name in ours if name in found}
    alike = {name: by_name[plain(name)] for name in ours if plain(name) in by_name}
    return alike | exact


def likely(
    found: Collection[str], taken: dict[str, str], roles: dict[str, tuple[str, ...]]
) -> dict[str, str]:
    """Return which of the other columns may be ours, by what they are usually called."""
    others = [name for name in reversed(list(found)) if name not in taken.values()]
    # Of user.id both may say what it is: the whole, or as in event.user_id the end.
    left = {_whole(name): name for name in others} | {plain(name): name for name in others}
    guesses: dict[str, str] = {}
    for role, names in roles.items():
        if role not in taken:
            name = next((left[name] for name in names if name in left), None)
            if name is not None:
                guesses[role] = name
                left = {key: other for key, other in left.items() if other != name}
    return guesses


def is_index(name: str) -> bool:
    """Whether a column is one that pandas adds when it writes an index."""
    return _PANDAS.fullmatch(name.strip()) is not None
