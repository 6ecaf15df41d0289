"""Shops, news, games and music: small files made in the form of the downloads."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genrec.errors import DataError
from genrec.schema import Event, Item
from tests.data.conftest import all_events


def test_retailrocket(desk):
    path = desk.write(
        "events.csv",
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433224214164,257597,transaction,248676,4000\n",
    )
    data, _ = desk.prepare(path, format="retailrocket")
    assert all_events(data) == [
        Event("257597", "355908", 1433221332, "view"),
        Event("257597", "248676", 1433224214, "transaction"),
    ]


def test_mind(desk):
    behaviours = desk.write(
        "behaviors.tsv",
        "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-0 N1-1\n"
        "2\tU2\t11/12/2019 6:11:30 PM\t\tN3-0\n"
        "3\tU1\t11/12/2019 6:11:30 PM\tN1\tN3-1 N2-1\n",
    )
    news = desk.write(
        "news.tsv",
        'N1\tsports\tgolf\tPGA "Tour"\tThe best.\thttps://x\t[{"Label": "PGA Tour"}]\t[]\n'
        "N2\tnews\tnewsus\tCafé\t\thttps://x\t[]\t[]\nN3\tlifestyle\t\tFifty\tx\thttps://x\t[]\t\n",
    )
    data, report = desk.prepare(behaviours, news, format="mind")
    assert all_events(data) == [
        Event("U1", "N1", 1573463158, "click"),
        Event("U1", "N3", 1573582290, "click"),
        Event("U1", "N2", 1573582290, "click"),
    ]
    assert report.event_rejects == report.item_rejects == {}
    assert data.items[:2] == [
        Item("N1", 'PGA "Tour"', categories=("sports", "golf"), description="The best."),
        Item("N2", "Café", categories=("news", "newsus")),
    ]
    # A stretch of the file without a click is no fault.
    desk.write("none.tsv", "2\tU2\t11/12/2019 6:11:30 PM\t\tN3-0\n")
    with pytest.raises(DataError, match="no event is left"):
        desk.prepare(desk.root / "none.tsv", news, format="mind")


def test_steam(desk):
    reviews = desk.write(
        "steam_reviews.json.gz",
        "{u'username': u'Chaos', u'hours': 0.1, u'products': 41, u'product_id': u'725280', "
        "u'page_order': 0, u'date': u'2017-12-17', u'text': u'Tr\\xe8s \"bien\"', "
        "u'early_access': False, u'page': 1}\n",
    )
    games = desk.write(
        "steam_games.json.gz",
        "{u'publisher': u'Kot', u'genres': [u'Action', u'Indie'], u'app_name': u'Lost', "
        "u'title': u'Lost', u'release_date': u'2018-01-04', u'tags': [u'Strategy'], "
        "u'specs': [u'Single-player'], u'price': 4.99, u'id': u'725280', "
        "u'developer': u'Kotoshiro'}\n",
    )
    data, _ = desk.prepare(reviews, games, format="steam")
    assert all_events(data) == [
        Event("Chaos", "725280", 1513468800, "review", review='Très "bien"')
    ]
    assert data.items == [
        Item(
            "725280",
            "Lost",
            "Kotoshiro",
            ("Action", "Indie"),
            text="tags: Strategy\nspecs: Single-player\nrelease date: 2018-01-04",
            attributes={
                "tags": ("Strategy",),
                "specs": ("Single-player",),
                "release date": "2018-01-04",
                "price": 4.99,
                "developer": "Kotoshiro",
                "publisher": "Kot",
            },
        )
    ]


def test_lastfm(desk):
    path = desk.write(
        "userid-timestamp-artid-artname-traid-traname.tsv",
        'user_000001\t2009-05-04T23:08:57Z\tf1b1\tDeep "Dish\t\tFuck Me (Live)\n'
        "user_000001\t2009-05-04T13:54:10Z\ta7f7\t坂本龍一\tt1\tComposition\n"
        "user_000002\t2009-05-05T13:54:10Z\ta7f7\t坂本龍一\tt1\tComposition\n",
    )
    data, report = desk.prepare(path, path, format="lastfm-1k")
    assert all_events(data) == [
        Event("user_000001", "t1", 1241445250, "play"),
        Event("user_000001", 'Deep "Dish – Fuck Me (Live)', 1241478537, "play"),
        Event("user_000002", "t1", 1241531650, "play"),
    ]
    assert report.item_duplicates == 1 and not report.item_rejects
    assert Item("t1", "Composition", "坂本龍一") in data.items


def test_hm(desk):
    transactions = desk.write(
        "transactions_train.csv",
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a1,0663713001,0.0508,2\n2018-09-21,000058a1,0541518023,0.0305,2\n",
    )
    articles = desk.write(
        "articles.csv",
        "article_id,product_code,prod_name,product_type_name,product_group_name,colour_group_name,"
        "index_name,section_name,detail_desc\n"
        '0663713001,0663713,Strap top,Vest top,Garment Upper body,Black,Ladieswear,Basics,"Jersey, '
        'narrow straps."\n0541518023,0541518,Rae,Bra,,Pink,Lingeries,,\n',
    )
    data, _ = desk.prepare(transactions, articles, format="hm")
    assert [event.item_id for event in all_events(data)] == ["0663713001", "0541518023"]
    assert data.items[0] == Item(
        "0663713001",
        "Strap top",
        categories=("Ladieswear", "Garment Upper body", "Vest top"),
        description="Jersey, narrow straps.",
        text="colour: Black\nsection: Basics",
        attributes={"colour": "Black", "section": "Basics", "product_type_name": "Vest top"},
    )


def test_instacart(desk):
    orders = desk.write(
        "orders.csv",
        "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order\n"
        "9,1,prior,1,2,08,\n8,1,prior,2,3,07,15.0\n7,2,prior,1,3,10,\n",
    )
    baskets = desk.write(
        "order_products__prior.csv",
        "order_id,product_id,add_to_cart_order,reordered\n8,30,2,0\n8,10,1,1\n9,10,1,0\n7,30,1,0\n",
    )
    products = desk.write(
        "products.csv",
        "product_id,product_name,aisle_id,department_id\n"
        '10,"Soda, ""the"" best",77,7\n30,Tea,61,19\n',
    )
    aisles = desk.write("aisles.csv", "aisle_id,aisle\n77,soft drinks\n61,tea\n")
    departments = desk.write(
        "departments.csv", "department_id,department\n7,beverages\n19,snacks\n"
    )
    data, report = desk.prepare(
        [orders, baskets], [products, aisles, departments], format="instacart"
    )
    assert all_events(data) == [
        Event("1", "10", 8 * 3600, "purchase"),
        Event("1", "10", 15 * 86400 + 7 * 3600, "purchase"),
        Event("1", "30", 15 * 86400 + 7 * 3600, "purchase"),
        Event("2", "30", 10 * 3600, "purchase"),
    ]
    assert data.items[0] == Item("10", 'Soda, "the" best', categories=("beverages", "soft drinks"))
    assert len(desk.prepare([orders, baskets], products, format="instacart")[0].items) == 2
    with pytest.raises(DataError, match="give orders.csv and order_products"):
        desk.prepare(orders, format="instacart")


def test_kuairec(desk):
    matrix = desk.write(
        "big_matrix.csv",
        "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n",
    )
    captions = desk.write(
        "kuairec_caption_category.csv",
        "video_id,manual_cover_text,caption,topic_tag,first_level_category_id,"
        "first_level_category_name,second_level_category_id,second_level_category_name,"
        "third_level_category_id,third_level_category_name\n"
        "3649,UNKNOWN,精神小伙路难走,[五爱街],8,颜值,673,颜值随拍,-124,\n",
    )
    data, _ = desk.prepare(matrix, captions, format="kuairec")
    assert all_events(data) == [Event("0", "3649", 1593878903, "watch")]
    assert data.items == [
        Item(
            "3649",
            "精神小伙路难走",
            categories=("颜值", "颜值随拍"),
            text="topics: [五爱街]",
            attributes={"topics": "[五爱街]"},
        )
    ]


def test_yambda(desk):
    table = pa.table(
        {
            "uid": pa.array([100, 100], pa.uint32()),
            "timestamp": pa.array([39420, 39425], pa.uint32()),
            "item_id": pa.array([8326270, 7], pa.uint32()),
            "is_organic": pa.array([0, 1], pa.uint8()),
            "played_ratio_pct": pa.array([100, None], pa.uint16()),
            "event_type": pa.array(["listen", "like"]).dictionary_encode(),
        }
    )
    pq.write_table(table, desk.root / "multi_event.parquet")
    data, _ = desk.prepare(desk.root / "multi_event.parquet", format="yambda")
    assert all_events(data) == [
        Event("100", "8326270", 39420, "listen"),
        Event("100", "7", 39425, "like"),
    ]
    pq.write_table(table.drop_columns(["event_type"]), desk.root / "listens.parquet")
    data, _ = desk.prepare(desk.root / "listens.parquet", format="yambda")
    assert {event.event_type for event in all_events(data)} == {"listen"}


def test_sequences(desk):
    desk.write("Beauty.txt", "1 7 3 7\n2 3 9\n3 7 9 12\n")
    data, report = desk.prepare(desk.root / "Beauty.txt", format="sequences")
    assert all_events(data)[:3] == [
        Event("1", "7", 0),
        Event("1", "3", 1),
        Event("1", "7", 2),
    ]
    assert report.event_rows == 8 and report.event_rejects == {}
    with pytest.raises(DataError, match="--format sequences"):
        desk.prepare(desk.root / "Beauty.txt")
