"""Yelp and Goodreads, from a few rows in the very form they are downloaded in."""

from tests.data.conftest import all_events


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
