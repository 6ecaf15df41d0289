"""Every corpus, from a few rows in the very form it is downloaded in."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genrec.data.formats import FORMATS
from genrec.schema import Event, Item


def all_events(data):
    return [event for history in data.histories("test") for event in history.events]


def test_amazon_2014(desk):
    reviews = desk.write(
        "reviews_Beauty_5.json.gz",
        [
            {
                "reviewerID": "A1YJEY40YUW4SE",
                "asin": "7806397051",
                "reviewerName": "Andrea",
                "helpful": [3, 4],
                "reviewText": "Very oily &amp; creamy.",
                "overall": 1.0,
                "summary": "Don't waste your money",
                "unixReviewTime": 1391040000,
                "reviewTime": "01 30, 2014",
            }
        ],
    )
    # The catalogue of 2014 is printed Python, not JSON.
    meta = desk.write(
        "meta_Beauty.json.gz",
        "{'asin': '7806397051', 'categories': [['Beauty', 'Makeup', 'Face'], ['Beauty', 'Gifts']], "
        "'description': \"It's a palette\", 'title': 'WAWO 15 Color', 'price': 9.8, 'brand': '', "
        "'imUrl': 'http://x/y.jpg', 'salesRank': {'Beauty': 461765}, 'related': {}}\n"
        "{'asin': __import__('os').getcwd()}\n",
    )
    data, report = desk.prepare(reviews, meta, format="amazon-2014")
    assert all_events(data) == [
        Event(
            user_id="A1YJEY40YUW4SE",
            item_id="7806397051",
            timestamp=1391040000,
            event_type="purchase",
            rating=1.0,
            title="Don't waste your money",
            review="Very oily & creamy.",
        )
    ]
    assert data.items == [
        Item(
            item_id="7806397051",
            title="WAWO 15 Color",
            categories=("Beauty", "Makeup", "Face"),
            description="It's a palette",
        )
    ]
    assert report.item_rejects == {"malformed line": 1}


def test_amazon_2018(desk):
    reviews = desk.write(
        "All_Beauty_5.json.gz",
        [
            {
                "overall": 5.0,
                "verified": True,
                "reviewTime": "09 1, 2016",
                "reviewerID": "A3CIUOJXQ5VDQ2",
                "asin": "B0000530HU",
                "style": {"Size:": " 7.0 oz", "Flavor:": " Classic Ice Blue"},
                "reviewerName": "Shelly F",
                "reviewText": "As advertised.\nReasonably priced",
                "summary": "Five Stars",
                "unixReviewTime": 1472688000,
                "vote": "2",
            }
        ],
    )
    meta = desk.write(
        "meta_All_Beauty.json.gz",
        [
            {
                "category": ["All Beauty", "Shaving"],
                "tech1": "",
                "description": ["Cools the skin.", "Long lasting."],
                "fit": "",
                "title": "Aqua Velva",
                "also_buy": [],
                "brand": "Aqua&#39;s",
                "feature": ["7 oz", "Ice Blue"],
                "rank": "3,000 in Beauty",
                "details": {"ASIN: ": "B0000530HU"},
                "price": "$4.99",
                "asin": "B0000530HU",
            }
        ],
    )
    data, _ = desk.prepare(reviews, meta, format="amazon-2018")
    (event,) = all_events(data)
    assert event.review == "As advertised. Reasonably priced"
    assert (event.timestamp, event.rating, event.title) == (1472688000, 5.0, "Five Stars")
    assert data.items == [
        Item(
            item_id="B0000530HU",
            title="Aqua Velva",
            brand="Aqua's",
            categories=("All Beauty", "Shaving"),
            description="Cools the skin. Long lasting.",
            text="features: 7 oz, Ice Blue",
        )
    ]


def test_amazon_2023(desk):
    row = {
        "rating": 4.0,
        "title": "Nice",
        "text": "Smells good",
        "images": [],
        "asin": "B00YQ6X8EO",
        "parent_asin": "B00YQ6X8E0",
        "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
        "timestamp": 1588687728923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
    # Within one second the milliseconds tell the order.
    earlier = row | {"timestamp": 1588687728100, "title": "First"}
    reviews = desk.write("All_Beauty.jsonl.gz", [row, earlier])
    meta = desk.write(
        "meta_All_Beauty.jsonl.gz",
        [
            {
                "main_category": "All Beauty",
                "title": "Howard LC0008",
                "average_rating": 4.8,
                "rating_number": 10,
                "features": ["Mint"],
                "description": [],
                "price": None,
                "images": [],
                "videos": [],
                "store": "Howard Products",
                "categories": [],
                "details": {"UPC": "617390882781"},
                "parent_asin": "B00YQ6X8E0",
                "bought_together": None,
            }
        ],
    )
    data, _ = desk.prepare(reviews, meta, format="amazon-2023")
    first, second = all_events(data)
    assert (first.title, second.title) == ("First", "Nice")
    assert first.timestamp == second.timestamp == 1588687728
    assert second.review == "Smells good"
    (item,) = data.items
    assert (item.brand, item.categories) == ("Howard Products", ("All Beauty",))
    assert (item.description, item.text) == (None, "features: Mint")


def test_movielens_100k(desk):
    ratings = desk.write("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    flags = ["0"] * 19
    flags[5] = flags[14] = "1"
    movies = desk.write(
        "u.item",
        "\n".join(
            [
                "242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/?Kolya%20(1996)|"
                + "|".join(flags),
                ' 302|"Misérables", Les (1995)|01-Jan-1995|||' + "|".join(flags),
            ]
        ).encode("latin-1"),
    )
    data, report = desk.prepare(ratings, movies, format="movielens-100k")
    assert report.event_rejects == report.item_rejects == {}
    assert all_events(data)[0] == Event("196", "242", 881250949, "rating", 3.0)
    assert [item.title for item in data.items] == ["Kolya (1996)", '"Misérables", Les (1995)']
    assert data.items[0].categories == ("Comedy", "Romance")
    assert data.items[0].text == "release date: 24-Jan-1997"


def test_movielens_1m(desk):
    ratings = desk.write("ratings.dat", "1::1193::5::978300760\r\n1::661::3::978302109\r\n")
    movies = desk.write(
        "movies.dat",
        "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
        "1193::Cité des enfants perdus, La (1995)::Drama\n".encode("latin-1"),
    )
    data, _ = desk.prepare(ratings, movies, format="movielens-1m")
    assert [event.item_id for event in all_events(data)] == ["1193", "661"]
    assert data.items[0].categories == ("Animation", "Children's", "Musical")
    assert data.items[1].title == "Cité des enfants perdus, La (1995)"


def test_movielens_32m(desk):
    ratings = desk.write("ratings.csv", "userId,movieId,rating,timestamp\n1,17,4.5,944249077\n")
    movies = desk.write(
        "movies.csv",
        'movieId,title,genres\n17,"American President, The (1995)",Comedy|Drama\n'
        "9,Sudden Death (1995),(no genres listed)\n",
    )
    data, _ = desk.prepare(ratings, movies, format="movielens-32m")
    assert all_events(data) == [Event("1", "17", 944249077, "rating", 4.5)]
    assert [item.title for item in data.items] == [
        "American President, The (1995)",
        "Sudden Death (1995)",
    ]
    assert [item.categories for item in data.items] == [("Comedy", "Drama"), ()]


def test_yelp(desk):
    reviews = desk.write(
        "yelp_academic_dataset_review.json",
        [
            {
                "review_id": "KU_O5udG6zpxOg-VcAEodg",
                "user_id": "mh_-eMZ6K5RLWhZyISBhwA",
                "business_id": "XQfwVwDr-v0ZS3_CbbE5Xw",
                "stars": 3.0,
                "useful": 0,
                "funny": 0,
                "cool": 0,
                "text": "If you decide to eat here,\n\nbe aware",
                "date": "2018-07-07 22:09:11",
            }
        ],
    )
    businesses = desk.write(
        "yelp_academic_dataset_business.json",
        [
            {
                "business_id": "XQfwVwDr-v0ZS3_CbbE5Xw",
                "name": "Turning Point of North Wales",
                "address": "1460 Bethlehem Pike",
                "city": "North Wales",
                "state": "PA",
                "postal_code": "19454",
                "stars": 3.0,
                "attributes": {"NoiseLevel": "u'average'"},
                "categories": "Restaurants, Breakfast & Brunch",
                "hours": None,
            }
        ],
    )
    data, _ = desk.prepare(reviews, businesses, format="yelp")
    (event,) = all_events(data)
    assert (event.timestamp, event.rating, event.event_type) == (1531001351, 3.0, "review")
    assert event.review == "If you decide to eat here, be aware"
    (item,) = data.items
    assert item.categories == ("Restaurants", "Breakfast & Brunch")
    assert item.text == "city: North Wales\nstate: PA"


BOOK = {
    "isbn": "",
    "series": [],
    "popular_shelves": [
        {"count": "58", "name": "to-read"},
        {"count": "15", "name": "fantasy"},
        {"count": "6", "name": "young-adult"},
    ],
    "description": "A wizard&hellip;",
    "authors": [{"author_id": "604031", "role": ""}],
    "publisher": "St. Martin's Press",
    "num_pages": "256",
    "publication_year": "1984",
    "format": "Hardcover",
    "book_id": "5333265",
    "title": "The Unschooled Wizard",
}


def test_goodreads_interactions(desk):
    row = {
        "user_id": "8842281e1d1347389f2ab93d60773d4d",
        "book_id": "5333265",
        "review_id": "384f48b86ffeb0f5f0b7a5f0d9ba21c0",
        "is_read": True,
        "rating": 5,
        "review_text_incomplete": "",
        "date_added": "Wed Mar 22 11:37:04 -0700 2017",
        "date_updated": "Wed Mar 22 11:37:05 -0700 2017",
        "read_at": "",
        "started_at": "",
    }
    shelved = row | {"is_read": False, "rating": 0, "date_added": "Thu Mar 23 00:00:00 +0000 2017"}
    interactions = desk.write("goodreads_interactions_fantasy.json.gz", [row, shelved])
    books = desk.write("goodreads_books_fantasy.json.gz", [BOOK])
    data, _ = desk.prepare(interactions, books, format="goodreads")
    first, second = all_events(data)
    assert (first.timestamp, first.event_type, first.rating) == (1490207824, "read", 5.0)
    assert (second.event_type, second.rating) == ("shelve", None)
    (item,) = data.items
    assert item.categories == ("fantasy", "young-adult")
    assert item.description == "A wizard…"
    assert item.text == "year: 1984\npages: 256\nformat: Hardcover"


def test_goodreads_reviews(desk):
    row = {
        "user_id": "8842281e1d1347389f2ab93d60773d4d",
        "book_id": "5333265",
        "review_id": "5cd416f3efc3f944fce4ce2db2290d5e",
        "rating": 4,
        "review_text": "Mind blowingly cool.",
        "date_added": "Fri Aug 25 13:55:02 -0700 2017",
        "n_votes": 16,
    }
    reviews = desk.write("goodreads_reviews_dedup.json.gz", [row])
    data, _ = desk.prepare(reviews, None, format="goodreads")
    (event,) = all_events(data)
    assert (event.event_type, event.review) == ("review", "Mind blowingly cool.")


ROWS = [
    {
        "user_id": "u1",
        "item_id": "i1",
        "timestamp": 10,
        "rating": 4.0,
        "review": 'so "good",\nreally',
    },
    {"user_id": "u1", "item_id": "i2", "timestamp": 20, "rating": None, "review": None},
    {"user_id": "2", "item_id": "3", "timestamp": 15, "rating": 1.5, "review": "é"},
]
EVENTS = [
    Event("u1", "i1", 10, rating=4.0, review='so "good", really'),
    Event("u1", "i2", 20),
    Event("2", "3", 15, rating=1.5, review="é"),
]
CSV = (
    'user_id,item_id,timestamp,rating,review\r\nu1,i1,10,4.0,"so ""good"",\nreally"\r\n'
    "u1,i2,20,,\r\n2,3,15,1.5,é"
)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "semicolons", "bom.csv", "jsonl", "parquet"])
def test_plain_files_say_the_same_in_every_kind(desk, kind, ending):
    if kind == "parquet":
        path = desk.root / "plain.parquet"
        pq.write_table(pa.Table.from_pylist(ROWS), path)
        path = desk.write(f"events.parquet{ending}", path.read_bytes())
    elif kind == "jsonl":
        path = desk.write(f"events.jsonl{ending}", ROWS)
    else:
        text = CSV
        if kind in ("tsv", "semicolons"):
            text = CSV.replace('"",\n', "\x00").replace(",", "\t" if kind == "tsv" else ";")
            text = text.replace("\x00", '"",\n')
        path = desk.write(f"events.{kind}{ending}", ("\ufeff" if "bom" in kind else "") + text)
    data, report = desk.prepare(path)
    assert all_events(data) == EVENTS
    assert report.event_rows == 3 and not report.event_rejects
    assert [item.item_id for item in data.items] == ["i1", "i2", "3"]


def test_the_name_does_not_decide(desk):
    path = desk.write("log", json.dumps(ROWS[0]) + "\n")
    assert all_events(desk.prepare(path)[0]) == EVENTS[:1]


def test_times_of_parquet_and_iso_dates(desk):
    table = pa.table(
        {
            "user_id": [1, 2],
            "item_id": pa.array([7.0, 8.0]),
            "timestamp": pa.array([1_500_000, 2_000_000], pa.timestamp("ms")),
        }
    )
    pq.write_table(table, desk.root / "events.parquet")
    data, _ = desk.prepare(desk.root / "events.parquet")
    assert all_events(data) == [Event("1", "7", 1500), Event("2", "8", 2000)]

    dates = ["2014-07-06", "2014-07-06 12:00:00", "2014-07-06T12:00:00Z", "1.4046048e9"]
    dates += ["2014-07-06T12:00:00.5+02:00"]
    rows = [f"u{number},i,{date}\n" for number, date in enumerate(dates)]
    path = desk.write("events.csv", "user_id,item_id,timestamp\n" + "".join(rows))
    data, _ = desk.prepare(path)
    midnight, noon = 1404604800, 1404648000
    times = [event.timestamp for event in all_events(data)]
    assert times == [midnight, noon, noon, midnight, noon - 7200]


def test_unknown_item_columns_are_kept_as_text_by_name(desk):
    events = desk.write("events.csv", "user_id,item_id,timestamp\nu,i,1\n")
    items = desk.write(
        "items.csv",
        "item_id,title,categories,colour,size\ni, Lamp &amp; shade ,Home|Light,red,\nj,,,,\n",
    )
    data, _ = desk.prepare(events, items)
    assert data.items == [
        Item("i", title="Lamp & shade", categories=("Home", "Light"), text="colour: red"),
        Item("j"),
    ]
    items = desk.write(
        "items.jsonl",
        [{"item_id": "i", "tags": ["a", "b"], "specs": {"width": 3, "deep": {"x": True}}, "n": 0}],
    )
    data, _ = desk.prepare(events, items)
    assert data.items[0].text == "tags: a, b\nspecs: width: 3, deep: x: yes\nn: 0"


def test_several_event_files_count_as_one(desk):
    first = desk.write("a.csv", "user_id,item_id,timestamp\nu,i,1\nv,i,1\n")
    second = desk.write("b.csv", "timestamp,user_id,item_id\n1,u,j\n0,u,i\n1,u,i\n")
    data, report = desk.prepare([first, second])
    assert [event.item_id for event in data.history("u").events] == ["i", "i", "j"]
    assert report.event_duplicates == 1


def test_every_format_has_a_test():
    source = open(__file__, encoding="utf-8").read()
    for name in FORMATS:
        assert name == "plain" or f'format="{name}"' in source
