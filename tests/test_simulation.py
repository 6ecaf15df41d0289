"""The simulator: wants are as planted, arms meet equal users, a gateway hears of it all."""

import csv
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from genrec.cli import main
from genrec.data import Dataset
from genrec.data.toy import ToyConfig, write_toy
from genrec.data.toy.catalogue import THEME_ITEMS, theme_of
from genrec.data.toy.files import read_config
from genrec.data.toy.interests import weights
from genrec.data.toy.world import DAY_S, draw_world
from genrec.errors import ConfigError, DataError, EngineUnavailable
from genrec.online_metrics import Act as Done
from genrec.online_metrics import Page, Training, measure
from genrec.serving.settings import Settings
from genrec.serving.store import EventStore, ImpressionStore, connect
from genrec.simulation import Shown, SimulationConfig, simulate
from genrec.simulation.arms import GatewayArm, MarkovArm
from genrec.simulation.behaviour import APPETITE, Luck, examination
from genrec.simulation.gateway import Clock, serving
from genrec.simulation.opening import first_second, opened, read_changes, read_pairs
from genrec.simulation.visitors import Fashion, Visitor, drift_on
from tests.little_run import make_little_base, train_little_run

WORLD = ToyConfig(num_users=40, events_per_user=10)
FEW = SimulationConfig(days=2, visits=6, k=5, seed=3)
BEGIN = 1_800_000_000 // DAY_S * DAY_S


def _make_world(folder):
    write_toy(folder / "raw", WORLD)
    make_little_base(folder, folder / "raw/events.csv.gz", folder / "raw/items.jsonl.gz")
    train_little_run(folder, epochs=1)


@pytest.fixture(scope="module")
def world(make_once):
    return make_once("simulated_world", _make_world)


class Listing:
    """An arm that ranks by a function of the user and remembers what it was told."""

    def __init__(self, name, rank):
        self.name, self.rank, self.told, self.days = name, rank, [], []

    def begin(self, day):
        self.days.append(day)

    def show(self, user_id, at, k):
        return Shown(tuple(self.rank(user_id, at)[:k]))

    def tell(self, clicks, others, shown):
        self.told.append((clicks, others, shown))

    def end(self, day, now):
        assert now == BEGIN + (day + 1) * DAY_S - 1


def fixed(user_id, at):
    return [f"P{n:03d}" for n in range(1, 60)]


def test_equal_seeds_give_equal_days_and_other_seeds_others():
    config = SimulationConfig(days=2, visits=20, seed=5)
    first, again, other = (
        simulate(WORLD, one, [Listing("a", fixed)], BEGIN).visits
        for one in (config, config, config.model_copy(update={"seed": 6}))
    )
    assert first == again != other


def test_users_who_are_served_at_once_do_as_one_after_the_other():
    config = SimulationConfig(days=2, visits=20, seed=5)
    alone, together = (
        simulate(WORLD, config.model_copy(update={"clients": n}), [Listing("a", fixed)], BEGIN)
        for n in (1, 8)
    )
    assert alone.visits == together.visits


def test_arms_that_show_the_same_get_the_same_clicks():
    arms = [Listing("a", fixed), Listing("b", fixed)]
    results = simulate(WORLD, SimulationConfig(days=2, visits=20), arms, BEGIN)
    mine, theirs = ([replace(v, arm="") for v in results.visits if v.arm == n] for n in "ab")
    assert mine == theirs and arms[0].told == arms[1].told and arms[0].days == [0, 1]
    (compared,) = results.comparisons()
    assert (compared.difference.low, compared.difference.high) == (0, 0)


def test_who_shows_what_is_wanted_is_clicked_more():
    catalogue, drawn = draw_world(WORLD)
    users = {user.user_id: user for user in drawn}

    def wanted(user_id, at):
        interests = users[user_id].interests
        theme = interests[int(np.argmax(weights(interests, at)))].theme
        items = catalogue.items[theme * THEME_ITEMS : (theme + 1) * THEME_ITEMS]
        return [item.item_id for item in items]

    config = SimulationConfig(days=4, visits=40, drift=0)
    arms = [Listing("fixed", fixed), Listing("wanted", wanted)]
    (compared,) = simulate(WORLD, config, arms, BEGIN).comparisons()
    assert compared.difference.low > 0


def test_clicks_follow_examination_and_attraction():
    rng = np.random.default_rng(0)
    attraction = np.array([0.1, 0.5, 0.1, 0.0])
    counts = np.zeros(4)
    for _ in range(4000):
        counts[Luck.draw(rng, 4).clicks(attraction)] += 1
    expected = examination(4) * np.minimum(1, APPETITE * attraction)
    assert counts / 4000 == pytest.approx(expected, abs=0.03)
    assert counts[3] == 0


def test_chances_are_the_toy_worlds_until_the_fashion_changes():
    catalogue, drawn = draw_world(WORLD)
    user = next(drawn)
    order = np.arange(len(catalogue.items))
    visitor = Visitor(user, user.interests, catalogue)
    plain = visitor.chances(user.end, "purchase", order, 0.0)
    assert plain.sum() == pytest.approx(1)
    shuffled = Fashion.draw(np.random.default_rng(1), len(order), 5, 1.0).orders[-1]
    other = visitor.chances(user.end, "purchase", shuffled, 0.0)
    # What a user turns to stays; which of its items comes next does not.
    by_theme = [chances.reshape(-1, THEME_ITEMS).sum(axis=1).tolist() for chances in (plain, other)]
    assert by_theme[0] == pytest.approx(by_theme[1])
    assert np.abs(plain - other).sum() > 0.1
    assert {theme_of(int(a)) == theme_of(int(b)) for a, b in zip(order, shuffled, strict=True)} == {
        True
    }


def test_chances_are_those_of_somebody_who_did_all_this_at_once():
    catalogue, drawn = draw_world(WORLD)
    user = next(drawn)
    orders = Fashion.draw(np.random.default_rng(1), len(catalogue.items), 3, 1.0).orders
    visitor = Visitor(user, user.interests, catalogue)
    done = list(user.events)
    for day in (0, 0, 2, 0):
        at = user.end + len(done)
        at_once = Visitor(replace(user, events=tuple(done)), user.interests, catalogue)
        asked = (at, "view", orders[day], 0.1)
        chances = visitor.chances(*asked)
        np.testing.assert_array_equal(chances, at_once.chances(*asked))
        item = catalogue.items[int(chances.argmax())]
        done.append(replace(user.events[-1], item_id=item.item_id, timestamp=at))
        visitor.observe(done[-1:])


def test_the_first_day_is_as_in_the_toy_world_and_without_drift_all_are():
    rng = np.random.default_rng(2)
    changed = Fashion.draw(rng, 240, 6, 1.0).orders
    assert (changed[0] == np.arange(240)).all() and (changed[-1] != np.arange(240)).any()
    assert (Fashion.draw(rng, 240, 6, 0.0).orders == np.arange(240)).all()


def test_interests_give_way_to_new_ones_by_the_last_day():
    users = list(draw_world(WORLD)[1])
    span = (BEGIN, BEGIN + 30 * DAY_S)
    for number, user in enumerate(users):
        rng = np.random.default_rng(number)
        before, after = user.interests, drift_on(rng, user, 12, span, 1.0)
        assert len(after) == len(before) + 1
        assert weights(after, BEGIN)[-1] == 0 and weights(after, span[1])[-1] > 0.2
        kept = drift_on(rng, user, 12, span, 0.0)
        assert weights(kept, span[1]).tolist() == pytest.approx(weights(before, BEGIN).tolist())


@pytest.fixture(scope="module")
def days(world, tmp_path_factory):
    """Days over a real gateway and a Markov chain, as the command runs them."""
    out = tmp_path_factory.mktemp("days") / "out"
    note = out.parent / "note"
    main_with(
        *("simulate", "--toy", world / "raw", "--data", world / "data", "--out", out),
        *("--arm", f"model={world / 'run'}", "--arm", "chain=markov", "-k", FEW.k),
        *("--days", FEW.days, "--visits", FEW.visits, "--seed", FEW.seed, "--clients", 3),
        *("--each-day", f'model=echo "$GENREC_DAY $GENREC_NOW $GENREC_STORE" >> {note}'),
    )
    return out, note


def main_with(*arguments):
    before, sys.argv = sys.argv, ["genrec", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    finally:
        sys.argv = before


def test_a_gateway_keeps_what_it_showed_and_what_users_did(days, world):
    out, _ = days
    rows = [row for row in csv.DictReader((out / "days.csv").open()) if row["arm"] == "model"]
    engine = connect(f"sqlite:///{out}/model.db", must_exist=True)
    begin = first_second(Dataset.load(world / "data"), FEW.days, {"model": "run"})
    for row in rows:
        since = begin + (int(row["day"]) - 1) * DAY_S
        shown = ImpressionStore(engine).between(since, since + DAY_S, 1000)
        assert len(shown) == int(row["pages"]) == FEW.visits
        assert all(len(one.items) == FEW.k for one in shown.values())
        pages = [Page(name, one.user_id, one.time, one.items) for name, one in shown.items()]
        acts = [
            Done(
                *(stored.event.user_id, stored.event.item_id, stored.event.timestamp),
                *(stored.event.event_type, stored.recommendation_id),
            )
            for stored in EventStore(engine).between(since, since + DAY_S)
        ]
        found = measure((since, since + DAY_S), pages, acts, Training(), ("purchase",))
        assert sum(one.clicks for one in found.ranks) == int(row["clicks"])
        assert sum(one.conversions for one in found.ranks) == int(row["purchases"])
        assert found.click_through == pytest.approx(float(row["click_through"]))
    engine.dispose()


def test_the_command_of_an_arm_runs_after_each_day(days, world):
    out, note = days
    lines = [line.split() for line in note.read_text().splitlines()]
    begin = first_second(Dataset.load(world / "data"), FEW.days, {"model": "run"})
    assert [(int(day), int(now)) for day, now, _ in lines] == [
        (day, begin + (day + 1) * DAY_S - 1) for day in range(FEW.days)
    ]
    assert {store for *_, store in lines} == {f"sqlite:///{out}/model.db"}


def test_days_of_a_gateway_by_url_end_now(world, tmp_path):
    settings = Settings(
        run=world / "run", store=SecretStr(f"sqlite:///{tmp_path}/s.db"), rate_limit_per_s=0
    )
    data = Dataset.load(world / "data")
    with serving(settings, Clock(int(time.time()))) as gateway:
        begin = first_second(data, 1, {"live": gateway.url})
        assert begin + DAY_S <= time.time()
        with opened({"live": gateway.url}, {"live": "exit 3"}, data, tmp_path, begin) as (arm,):
            shown = arm.show("ada-001", begin, 3)
            assert len(shown.items) == 3 and shown.recommendation_id
            with pytest.raises(DataError, match="arm live: .*no events of user 'nobody'"):
                arm.show("nobody", begin, 3)
            with pytest.raises(DataError, match="ended with code 3 after day 1"):
                arm.end(0, begin)
    with pytest.raises(EngineUnavailable, match="is a gateway running"):
        GatewayArm("gone", gateway.url).show("ada-001", begin, 3)
    with pytest.raises(ConfigError, match="fewer days"):
        first_second(data, 20_000, {"live": gateway.url})


def test_a_chain_counted_anew_follows_what_it_was_told(world):
    data = Dataset.load(world / "data")
    arm = MarkovArm("chain", data)
    history = next(data.histories("test"))
    arm.begin(0)
    before = arm.show(history.user_id, BEGIN, 5)
    last, rare = history.events[-1].item_id, arm.show(history.user_id, BEGIN, 200).items[-1]
    for number in range(60):
        events = [
            replace(history.events[-1], user_id=f"new{number}", item_id=item)
            for item in (last, rare)
        ]
        arm.tell(events, [], before)
    assert arm.show(history.user_id, BEGIN, 5) == before
    arm.begin(1)
    assert rare in arm.show(history.user_id, BEGIN, 5).items


@pytest.mark.parametrize("written", [["a"], ["=x"], ["a="], ["a/b=x"], ["a=x", "a=y"]])
def test_arms_that_cannot_be_read(written):
    with pytest.raises(ConfigError, match="--arm"):
        read_pairs(written, "--arm")


def test_a_command_needs_a_gateway(world, tmp_path):
    data = Dataset.load(world / "data")
    for arms in ({"chain": "markov"}, {}):
        with pytest.raises(ConfigError, match="no arm with a gateway"):
            with opened(arms, {"chain": "true"}, data, tmp_path, BEGIN):
                pass


def test_settings_of_an_arm_that_cannot_be_are_refused(world, tmp_path):
    data = Dataset.load(world / "data")
    assert read_changes(["a.k=1", "a.b=x=y", "b.c=2"]) == {
        "a": {"k": "1", "b": "x=y"},
        "b": {"c": "2"},
    }
    for arms, changes, fault in (
        ({"chain": "markov"}, {"chain": {"k": "1"}}, "started here"),
        ({"a": "http://127.0.0.1:1"}, {"a": {"k": "1"}}, "started here"),
        ({"a": str(world / "run")}, {"a": {"no_such": "1"}}, "no setting 'no_such'"),
    ):
        with pytest.raises(ConfigError, match=fault):
            with opened(arms, {}, data, tmp_path, BEGIN, changes=changes):
                pass


def test_a_toy_world_is_known_by_its_settings(world):
    assert read_config(world / "raw") == WORLD
