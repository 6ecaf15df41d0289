"""Recent popularity is heard where it says something: a log with planted fashions, trained on."""

import csv
import random
from dataclasses import replace

import numpy as np
import pytest

from genrec.evaluate import compare
from genrec.model.recent_popularity import DAY_S
from genrec.recommender import Recommender
from genrec.schema import Event, History, Request
from genrec.serving.store import EventStore, StoredEvent, connect, migrate
from genrec.updates.config import UpdateConfig
from genrec.updates.update import Updater
from tests.little_run import make_little_base, train_little_run

DAYS, LATER, ITEMS, HOT = 60, 10, 60, 3
START = 17_000 * DAY_S


@pytest.fixture(scope="module")
def hot():
    """The items that everybody wants, by day."""
    rng = random.Random(0)
    return [rng.sample(range(ITEMS), HOT) for _ in range(DAYS + LATER)]


def take(rng, hot, day):
    """Draw an item and a moment of a day."""
    item = rng.choice(hot[day]) if rng.random() < 0.5 else rng.randrange(ITEMS)
    return f"i{item}", START + day * DAY_S + rng.randrange(DAY_S)


@pytest.fixture(scope="module")
def recommender(hot, tmp_path_factory):
    """Of users who take what is hot on the day half of the time, and else anything."""
    folder, rng = tmp_path_factory.mktemp("fashions"), random.Random(1)
    rows = []
    for user in range(600):
        first = rng.randrange(DAYS - 12)
        for day in range(first, first + 12, 2):
            rows.append((f"u{user}", *take(rng, hot, day)))
    with (folder / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *rows])
    make_little_base(folder, folder / "events.csv")
    train_little_run(folder, sasrec={"epochs": 5})
    return Recommender.from_pretrained(folder / "run")


def test_a_planted_fashion_gets_its_say(recommender):
    head, terms = recommender._run.sasrec_head, recommender._run.sasrec_head.terms
    reached = {}
    for name, chosen in (("without", replace(terms, popularity=0.0)), ("with", terms)):
        head.terms = chosen
        report = compare([recommender], recommender.data, "test")
        reached[name] = report.evaluations[0].per_user["ndcg@10"]
    gains = reached["with"] - reached["without"]
    assert terms.popularity > 0 and terms.popularity_days == 1.0
    assert gains.mean() > 3 * gains.std() / np.sqrt(len(gains))
    assert reached["with"].mean() > 1.5 * reached["without"].mean()


def test_the_moment_of_asking_says_which(recommender, hot):
    found = []
    for day in range(10, 50):
        moment = START + (day + 1) * DAY_S - 1
        history = History("new", (Event("new", f"i{day}", moment - 3 * DAY_S),))
        (items,) = recommender.rank_many([Request(history, at=moment)], HOT)
        found += [int(item.item_id[1:]) in hot[day] for item in items]
        assert all("popularity" in item.parts for item in items)
    assert np.mean(found) > 0.6


def test_without_a_moment_nothing_is_popular(recommender):
    (items,) = recommender.rank_many([Request(History("new", ()))], HOT)
    assert not any("popularity" in item.parts for item in items)


def test_live_events_are_taken_too(recommender):
    moment = START + 10 * DAYS * DAY_S  # long after the log
    asked = Request(History("new", ()), at=moment)
    before = {item.item_id: item.score for item in recommender.rank_many([asked], ITEMS)[0]}
    recommender.popularity.put("live", [("i7", moment - 3600)] * 20)
    recommender.popularity.settle()
    after = {item.item_id: item.score for item in recommender.rank_many([asked], ITEMS)[0]}
    assert after["i7"] > before["i7"] + 1
    recommender.popularity.put("live", [])
    recommender.popularity.settle()
    again = {item.item_id: item.score for item in recommender.rank_many([asked], ITEMS)[0]}
    assert again == pytest.approx(before)


def test_an_update_is_judged_with_the_fashions_of_its_days(recommender, hot, tmp_path):
    run, rng = recommender._run.path, random.Random(2)
    engine = connect(f"sqlite:///{tmp_path}/store.db")
    migrate(engine)
    came = [(f"u{user}", day) for user in range(150) for day in range(DAYS, DAYS + LATER, 2)]
    stored = [StoredEvent(Event(user, *take(rng, hot, day))) for user, day in came]
    EventStore(engine).add(stored)
    config = UpdateConfig(epochs=1, num_beams=50, margin=0.5, break_share=0.5)
    judged = Updater(engine, run, tmp_path / "updates", config, device="cpu").update().figures
    engine.dispose()
    # Ten of sixty items by chance: .08. Half of what is taken is one of the three of the day.
    assert judged["newest"]["old"] > 0.15 and judged["newest"]["new"] > 0.15
