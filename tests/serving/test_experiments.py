"""Experiments that rules name, judged by what a gateway's store holds; the lift is planted."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from genrec.cli import app
from genrec.errors import ConfigError
from genrec.experiments import Experiment
from genrec.schema import Event
from genrec.serving.experiments import Experiments
from genrec.serving.http.app import create_app
from genrec.serving.store import EventStore, Impression, ImpressionStore, RuleStore, StoredEvent
from tests.little_gateway import gateway_settings

BEGAN = 1_000_000
USERS = [f"user-{n}" for n in range(600)]
ITEMS = ("i1", "i2", "i3", "i4")
OLD_AND_NEW = {"old": 1, "new": 1}


class Shop:
    """A store, and a clock that a test turns."""

    def __init__(self, engine):
        self.now = BEGAN
        self.rules = RuleStore(engine, lambda: self.now)
        self.shown, self.events = ImpressionStore(engine), EventStore(engine)
        stores = (self.rules, self.shown, self.events)
        self.experiments = Experiments(stores, {"purchase"}, 86_400, lambda: self.now)

    def rule(self, name, arms, which="new"):
        rule = None
        if arms is not None:
            arm = {"experiment": "spread", "arms": arms, "is": which}
            rule = {"diversity": 1.0, "arm": arm}
        assert self.rules.put(name, rule, True, self.rules.read(0)[1]) is not None

    def show(self, users, click_rates, arms=OLD_AND_NEW, event_type="view"):
        """Show everybody a page; in each arm some of the users click on two of its items."""
        rng = np.random.default_rng(self.now)
        assign = Experiment("spread", arms).assign
        page = Impression("", self.now, tuple((item, -1.0) for item in ITEMS), "m", None)
        running = any(trial.ended is None for trial, _ in self.experiments.all())
        names = self.shown.add(
            [
                replace(page, user_id=user, arms=(("spread", assign(user)),) if running else ())
                for user in users
            ]
        )
        self.events.add(
            [
                StoredEvent(Event(user, item, self.now, event_type), None, name)
                for user, name in zip(users, names, strict=True)
                if rng.random() < click_rates[assign(user)]
                for item in (*ITEMS[:2], "elsewhere")
            ]
        )

    def judged(self):
        ((trial, judged),) = self.experiments.all()
        return trial, judged


@pytest.fixture
def shop(engine):
    return Shop(engine)


def test_the_planted_arm_wins(shop):
    shop.now -= 5
    shop.show(USERS, {"old": 1.0, "new": 0.0})  # before it began
    shop.now += 5
    shop.rule("spread-out", OLD_AND_NEW)
    trial, judged = shop.judged()
    assert judged.result is None and "no page was shown" in judged.fault
    shop.now += 100
    shop.show(USERS, {"old": 0.2, "new": 0.6})
    trial, judged = shop.judged()
    assert (trial.began, trial.ended, trial.rules) == (BEGAN, None, ("spread-out",))
    assert judged.fault is None and judged.result.winner == "new"
    assert not judged.result.has_mismatch and judged.result.crossed_users == 0
    assert sum(arm.users for arm in judged.arms.values()) == len(USERS)
    for arm, rate in (("old", 0.2), ("new", 0.6)):
        figures = judged.arms[arm]
        assert figures.pages == figures.users and figures.shown == 4 * figures.pages
        assert figures.clicks / figures.shown == pytest.approx(rate / 2, abs=0.03)
        assert figures.conversions == figures.dislikes == 0


def test_what_speaks_against_an_item_is_no_click_and_guards(shop):
    shop.rule("spread-out", OLD_AND_NEW)
    shop.show(USERS, {"old": 0.2, "new": 0.5}, event_type="purchase")
    shop.now += 100
    shop.show(USERS, {"old": 0.1, "new": 0.8}, event_type="not interested")
    _, judged = shop.judged()
    (clicks,), (conversions, dislikes) = judged.result.differences, judged.result.guardrails
    assert (clicks.standing, conversions.guard, dislikes.guard) == ("better", "kept", "harmed")
    assert judged.result.winner == "old"
    new = judged.arms["new"]
    assert new.clicks == new.conversions < new.dislikes


def test_an_arm_that_was_dropped_stays_in_the_account(shop):
    three = {"old": 1, "new": 1, "newest": 1}
    shop.rule("spread-out", three, "newest")
    shop.show(USERS, {"old": 0.2, "new": 0.2, "newest": 0.2}, three)
    shop.now += 100
    shop.rule("spread-out", {**three, "newest": 0})
    shop.show(USERS[:300], {"old": 0.2, "new": 0.2}, {**three, "newest": 0})
    trial, judged = shop.judged()
    assert trial.experiment.live_arms == ("old", "new") and judged.arms["newest"].pages > 0
    # Those of the dropped arm who came back were seen in two arms.
    dropped = {user for user in USERS if Experiment("spread", three).assign(user) == "newest"}
    assert judged.result.crossed_users == len(dropped & set(USERS[:300]))
    assert judged.result.dropped_users == len(dropped - set(USERS[:300]))
    # The rule names two arms only now: the third is known from before.
    shop.now += 100
    shop.rule("spread-out", OLD_AND_NEW)
    assert shop.judged()[0].experiment.arms == {"old": 1, "new": 1, "newest": 0}


def test_an_experiment_ends_with_its_last_rule(shop):
    shop.rule("one", OLD_AND_NEW)
    shop.rule("two", OLD_AND_NEW, "old")
    shop.show(USERS, {"old": 0.2, "new": 0.6})
    shop.now += 100
    shop.rule("one", None)
    assert shop.judged()[0].rules == ("two",) and shop.judged()[0].ended is None
    shop.rule("two", None)
    before = shop.judged()
    shop.now += 100
    shop.show(USERS, {"old": 1.0, "new": 0.0})  # no more in it
    trial, judged = shop.judged()
    assert trial.ended == BEGAN + 100 and trial.rules == ("two",)
    assert judged.result.winner == "new" and judged.arms == before[1].arms


def test_users_who_get_lost_are_noticed(shop):
    """As where the rule of an arm leaves too few items: its users are shown nothing."""
    shop.rule("spread-out", OLD_AND_NEW)
    assign = Experiment("spread", OLD_AND_NEW).assign
    users = [f"user-{n}" for n in range(3000)]
    kept = [user for n, user in enumerate(users) if assign(user) == "old" or n % 2]
    shop.show(kept, {"old": 0.2, "new": 0.6})
    result = shop.judged()[1].result
    assert result.has_mismatch and result.winner is None


def test_they_are_told_over_http_and_on_the_command_line(shop_run, new_store):
    url, users = new_store("sqlite"), [f"u{n}" for n in range(1, 6)]
    settings = gateway_settings(shop_run, url)
    with TestClient(create_app(settings)) as client:
        assert client.get("/v1/experiments").json() == {"experiments": []}
        arm = {"experiment": "spread", "arms": OLD_AND_NEW, "is": "new"}
        rule = {"rule": {"diversity": 1.0, "arm": arm}, "always": True}
        assert client.put("/v1/rules/spread-out", json=rule).status_code == 200
        for user in users:
            asked = {"user_id": user, "k": 3, "arm": "a" if user < "u3" else "b"}
            assert client.post("/v1/recommend", json=asked).status_code == 200
        (told,) = client.get("/v1/experiments").json()["experiments"]
    assign = Experiment("spread", OLD_AND_NEW).assign
    expected = {
        arm: [f"u{n}" for n in range(1, 6) if assign(f"u{n}") == arm] for arm in OLD_AND_NEW
    }
    assert {one["arm"]: one["users"] for one in told["arms"]} == {
        arm: len(users) for arm, users in expected.items()
    }
    assert told["rules"] == ["spread-out"] and told["ended"] is None
    assert told["result"]["differences"][0]["low"] is None and told["fault"] is None
    assert told["result"]["verdict"].startswith("open")

    def run(*words):
        result = CliRunner().invoke(app, ["experiment", "--store", url, *words])
        if result.exception:
            raise result.exception
        return result.output

    assert json.loads(run("--json")) == {
        "spread": told["result"] | {"experiment": "spread", "control": "old"}
    }
    by_request = json.loads(run("--arm", "a=1", "--arm", "b=1", "--json"))
    assert by_request["arms of requests"]["users"] == {"a": 2, "b": 3}
    assert "spread: open" in run()
    assert "no page was shown" in run("--arm", "a=1", "--arm", "c=1")
    with pytest.raises(ConfigError, match="give a file and --arm"):
        CliRunner().invoke(app, ["experiment"], catch_exceptions=False, standalone_mode=False)
