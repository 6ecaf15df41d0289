"""Amazon's corpora, from a few rows in the very form they are downloaded in."""

from genrec.schema import Event, Item
from tests.data.conftest import all_events


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
            attributes={"price": 9.8},
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
            attributes={"features": ("7 oz", "Ice Blue"), "price": "$4.99"},
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
