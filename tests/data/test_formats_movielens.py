"""MovieLens, from a few rows in the very form they are downloaded in."""

from genrec.schema import Event
from tests.data.conftest import all_events


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
