import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from genrec.config import load_config
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.data.toy import ToyConfig, write_toy
from genrec.data.toy.catalogue import load_catalogue
from genrec.errors import ArtifactError, ConfigError

CONFIG = ToyConfig(num_users=200)
WISH = re.compile("(?:Next on my list: |Now I want |Saving up for )the [^.]+")


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world") / "toy"
    write_toy(out, CONFIG)
    return out


@pytest.fixture(scope="module")
def truth(toy) -> dict:
    return json.loads((toy / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(CONFIG.num_themes)


@pytest.fixture(scope="module")
def events(toy) -> list[dict[str, str]]:
    with gzip.open(toy / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["event_type"] != "search"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_settings_give_equal_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        write_toy(tmp_path / name, ToyConfig(num_users=10, seed=seed))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(tmp_path / "one") != content(tmp_path / "other")


def test_more_users_leave_the_earlier_ones_as_they_are(tmp_path, truth):
    write_toy(tmp_path / "small", ToyConfig(num_users=5))
    small = json.loads((tmp_path / "small" / "truth.json").read_text(encoding="utf-8"))
    assert len(small["users"]) == 5
    for user_id, user in small["users"].items():
        assert truth["users"][user_id] == user


def test_events_and_truth_tell_the_same_story(events, truth):
    told = defaultdict(list)
    for event in events:
        told[event["user_id"]].append([int(event["timestamp"]), event["item_id"]])
    assert set(told) == set(truth["users"])
    for user_id, user in truth["users"].items():
        assert told[user_id] == [event[:2] for event in user["events"]]
        held = {interest["theme"] for interest in user["interests"]}
        for _, item_id, theme, follows_interest in user["events"]:
            assert theme == truth["items"][item_id]["theme"]
            assert follows_interest == (theme in held)


def test_events_lie_in_the_order_of_time_and_never_tie_within_a_user(events):
    times = [int(event["timestamp"]) for event in events]
    assert times == sorted(times)
    assert len({(event["user_id"], event["timestamp"]) for event in events}) == len(events)


def test_nothing_of_an_interest_happens_before_its_birth(truth):
    births = 0
    for user in truth["users"].values():
        for interest in user["interests"]:
            if interest["birth"] is None:
                assert interest["knots"][0][1] > 0
                continue
            births += 1
            assert dict(map(tuple, interest["knots"]))[interest["birth"]] == 0
            times = [at for at, _, theme, _ in user["events"] if theme == interest["theme"]]
            assert all(at > interest["birth"] for at in times)
    assert births > 100


def strength(interest: dict, at: float) -> float:
    times, strengths = zip(*interest["knots"], strict=True)
    return float(np.interp(at, times, strengths))


def test_events_follow_the_planted_strengths(truth):
    """Expected and actual events agree: over all interests, and by thirds of the time line."""
    pairs = []
    for user in truth["users"].values():
        expected, actual = Counter(), Counter()
        for at, _, theme, follows_interest in user["events"]:
            if not follows_interest:
                continue
            third = int(3 * (at - user["start"]) / (user["end"] - user["start"] + 1))
            total = sum(strength(interest, at) for interest in user["interests"])
            for interest in user["interests"]:
                expected[interest["theme"], third] += strength(interest, at) / total
            actual[theme, third] += 1
        pairs += [(value, actual[key]) for key, value in expected.items()]
    expected, actual = np.array(pairs).T
    assert np.corrcoef(expected, actual)[0, 1] > 0.7
    for low, high in ((0, 0.5), (0.5, 2), (2, 4), (4, 100)):
        chosen = (expected > low) & (expected <= high)
        assert actual[chosen].mean() == pytest.approx(expected[chosen].mean(), rel=0.15, abs=0.05)


def test_trends_are_what_the_shares_of_attention_do(truth):
    found = Counter()
    for user in truth["users"].values():
        half, end = (user["start"] + user["end"]) / 2, user["end"]
        shares = [
            np.array([strength(interest, at) for interest in user["interests"]])
            for at in (half, end)
        ]
        before, after = (share / share.sum() for share in shares)
        for place, interest in enumerate(user["interests"]):
            found[interest["trend"]] += 1
            assert interest["weight"] == pytest.approx(after[place], abs=1e-4)
            if interest["trend"] == "emerging":
                assert after[place] >= 1.99 * before[place]
            elif interest["trend"] == "fading":
                assert after[place] <= 0.51 * before[place]
            else:
                assert 0.66 < after[place] / before[place] < 1.51
    assert min(found[trend] for trend in ("emerging", "steady", "fading")) > 50


def test_users_hold_several_interests_and_few_events_are_one_offs(truth):
    assert min(len(user["interests"]) for user in truth["users"].values()) >= 2
    follows = [event[3] for user in truth["users"].values() for event in user["events"]]
    assert 0.02 < 1 - np.mean(follows) < 0.07


def test_items_are_followed_by_the_next_of_their_chain(truth):
    """The order within an interest can be learned."""
    after = Counter()
    for user in truth["users"].values():
        last = {}
        for _, item_id, theme, _ in user["events"]:
            place = truth["items"][item_id]
            if (before := last.get(theme)) and before["position"] < 4:
                is_next = place["position"] == before["position"] + 1
                after[is_next and place["subtheme"] == before["subtheme"]] += 1
            last[theme] = place
    assert 0.4 < after[True] / after.total() < 0.7


def test_nobody_takes_an_item_twice_unless_told_to(truth, tmp_path):
    for user in truth["users"].values():
        taken = [event[1] for event in user["events"]]
        assert len(taken) == len(set(taken))
    write_toy(tmp_path / "toy", ToyConfig(num_users=60, repeat_rate=0.2))
    again = json.loads((tmp_path / "toy" / "truth.json").read_text(encoding="utf-8"))
    repeated = 0
    for user in again["users"].values():
        taken = Counter(event[1] for event in user["events"])
        for item_id in (item_id for item_id, times in taken.items() if times > 1):
            repeated += 1
            assert again["items"][item_id]["position"] == 4
    assert repeated > 20


def test_reviews_agree_with_ratings_and_vary(events):
    reviews = [event for event in events if event["review"]]
    praise = ("Love this", "Would buy again", "Highly recommended", "Great")
    blame = ("Not for me", "refund", "Save your money", "let me down")
    for event in reviews:
        assert event["event_type"] == "purchase" and event["rating"]
        if float(event["rating"]) >= 4:
            assert not any(
                words in event["review"].replace("never let me down", "") for words in blame
            )
        if float(event["rating"]) <= 2:
            assert not any(words in event["review"] for words in praise)
    assert 0.25 < len(reviews) / len(events) < 0.6
    assert len({event["review"] for event in reviews}) > 0.75 * len(reviews)
    assert {float(event["rating"]) for event in events if event["rating"]} == {1, 2, 3, 4, 5}


def by_user(events):
    told = defaultdict(list)
    for event in events:
        told[event["user_id"]].append(event)
    return told.values()


def test_wishes_mostly_come_true_at_the_next_event(events, catalogue):
    """A reader of reviews knows more than a reader of items."""
    outcomes, of_chance = Counter(), Counter()
    for history in by_user(events):
        for event, following in pairwise(history):
            wished = [sentence.split(" the ")[-1] for sentence in WISH.findall(event["review"])]
            took = catalogue.names[catalogue.index_of[following["item_id"]]]
            if wished:
                outcomes[wished == [took]] += 1
            else:
                of_chance[took in event["review"]] += 1
    assert outcomes.total() > 0.15 * len(events)
    assert outcomes[True] / outcomes.total() > 0.8
    assert of_chance[True] / of_chance.total() < 0.01


def test_wishes_are_of_any_theme_and_leave_the_shares_of_themes_as_planted(events, truth):
    """Which theme comes next is told, not changed: one wish in many names another theme."""
    same = Counter()
    for history in by_user(events):
        for event, following in pairwise(history):
            if WISH.search(event["review"]):
                themes = {truth["items"][one["item_id"]]["theme"] for one in (event, following)}
                same[len(themes) == 1] += 1
    assert 0.3 < same[True] / same.total() < 0.8


def test_a_brand_complained_of_is_hardly_taken_again(events, catalogue):
    brand_of = {item.item_id: item.brand for item in catalogue.items}
    taken, shunned = Counter(), Counter()
    for history in by_user(events):
        done_with = set()
        for event in history:
            brand = brand_of[event["item_id"]]
            themes = {item.categories[1] for item in catalogue.items if item.brand in done_with}
            item = catalogue.items[catalogue.index_of[event["item_id"]]]
            if item.categories[1] in themes:
                taken[event["user_id"]] += 1
                shunned[event["user_id"]] += brand in done_with
            if f"Never again {brand}." in event["review"]:
                done_with.add(brand)
    # Every third item of a theme is of one brand.
    assert taken.total() > 100
    assert shunned.total() / taken.total() < 0.2


def test_a_farewell_is_said_of_an_interest_that_ends(events, truth):
    said = 0
    for event in events:
        theme = truth["items"][event["item_id"]]["theme"]
        if f"My {theme.lower()} days are over." in event["review"]:
            said += 1
            held = truth["users"][event["user_id"]]["interests"]
            interest = next(one for one in held if one["theme"] == theme)
            peak = max(strength for _, strength in interest["knots"])
            assert strength(interest, int(event["timestamp"])) < 0.6 * peak
    assert said > 20


def test_prepare_takes_the_files_as_they_are(toy, truth, tmp_path):
    report = prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", tmp_path / "data")
    assert report.event_rejects == {} and report.item_rejects == {}
    assert report.event_duplicates == report.item_duplicates == 0
    data = Dataset.load(tmp_path / "data")
    assert set(data.item_index) == set(truth["items"])
    for history in data.histories("test"):
        taken = [event[1] for event in truth["users"][history.user_id]["events"]]
        assert [event.item_id for event in history.events] == taken
    for item in data.items:
        assert item.title and item.brand and item.description
        assert item.categories[1:] == (
            truth["items"][item.item_id]["theme"],
            truth["items"][item.item_id]["subtheme"],
        )


@pytest.mark.parametrize("override", ["num_users=0", "num_themes=13", "repeat_rate=1", "users=5"])
def test_impossible_worlds_are_refused(override):
    with pytest.raises(ConfigError, match=override.split("=")[0]):
        load_config(ToyConfig, None, [override])


def test_another_directory_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(ArtifactError, match=tmp_path.name):
        write_toy(tmp_path, ToyConfig(num_users=5))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.fixture(scope="module")
def searches(toy) -> list[dict[str, str]]:
    with gzip.open(toy / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["event_type"] == "search"]


@pytest.fixture(scope="module")
def descriptions(toy) -> dict[str, str]:
    with gzip.open(toy / "users.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return {row["user_id"]: row["about"] for row in csv.DictReader(file)}


def test_a_search_is_made_in_the_minute_before_the_event_whose_item_it_names(
    searches, events, catalogue
):
    titles = {item.item_id: f"{item.title} {item.categories}".lower() for item in catalogue.items}
    following = {(row["user_id"], int(row["timestamp"])): row["item_id"] for row in events}
    assert 0.1 < len(searches) / len(events) < 0.2
    for search in searches:
        at, user_id = int(search["timestamp"]), search["user_id"]
        after = (following.get((user_id, at + gap)) for gap in range(1, 60))
        item_id = next(found for found in after if found)
        assert not search["item_id"]
        assert all(word in titles[item_id] for word in search["text"].split())


def test_who_joins_speaks_of_interests_held_then(descriptions, truth):
    everybody = truth["users"] | truth["newcomers"]
    for user_id, about in descriptions.items():
        interests = everybody[user_id]["interests"]
        held = {each["theme"].lower() for each in interests if each["birth"] is None}
        named = {theme.lower() for theme in truth["themes"] if theme.lower() in about.lower()}
        assert named and named <= held
    share = len(descriptions.keys() & truth["users"].keys()) / len(truth["users"])
    assert 0.5 < share < 0.7


def test_newcomers_describe_themselves_and_did_nothing_yet(descriptions, truth, events):
    newcomers = truth["newcomers"].keys()
    assert len(newcomers) == CONFIG.num_newcomers and newcomers <= descriptions.keys()
    assert not newcomers & {event["user_id"] for event in events}
    assert all(user["events"] for user in truth["newcomers"].values())
