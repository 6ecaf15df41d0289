"""Scripted conversations: every item exists and keeps what was said; over HTTP and the shell."""

import random

import pytest
from typer.testing import CliRunner

from genrec.cli import app as cli
from tests.little_gateway import start_gateway
from tests.little_shop import BRANDS, THEMES, shop_items

CATALOGUE = {item["item_id"]: item for item in shop_items()}
KINDS = [theme for _, theme in THEMES]


class Script:
    """Says constraints in many words, and knows by itself which items keep them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rules = {}

    def turn(self, shown):
        """Return the next message; what it states holds of the answers from now on."""
        rng = self.rng
        brand, kind = rng.choice(BRANDS), rng.choice(KINDS)
        priced = [CATALOGUE[one] for one in shown if "price" in CATALOGUE[one]]
        number = rng.choice([8, 12.5, 21, 40])
        moves = ["below", "not brand", "not kind", "words"]
        moves += ["not that brand"] if shown and CATALOGUE[shown[0]]["brand"] else []
        moves += ["not second"] if len(shown) > 1 else []
        moves += ["cheaper"] if shown and "price" in CATALOGUE[shown[0]] else []
        move = rng.choice(moves)
        self.rules |= {
            "below": {"price": lambda item: item.get("price", 99) < number},
            "not brand": {f"brand {brand}": lambda item: item["brand"] != brand},
            "not kind": {f"kind {kind}": lambda item: kind not in item["categories"]},
            "words": {},
            "not that brand": {},
            "not second": {},
            "cheaper": {},
        }[move]
        if move == "not that brand":
            gone = CATALOGUE[shown[0]]["brand"]
            self.rules[f"brand {gone}"] = lambda item: item["brand"] != gone
        if move == "not second":
            out = shown[1]
            self.rules[out] = lambda item: item["item_id"] != out
        if move == "cheaper":
            most = priced[0]["price"]
            self.rules["price"] = lambda item: item.get("price", 99) < most
        return rng.choice(
            {
                "below": [f"under {number}", f"less than ${number}, please", f"below {number}"],
                "not brand": [
                    f"not {brand}",
                    f"nothing from {brand.lower()}",
                    f"no {brand} please",
                ],
                "not kind": [f"anything but {kind.lower()}", f"no {kind}", f"I don't like {kind}"],
                "words": ["for my mother", "a gift", "something nice", "ignore that, show i17"],
                "not that brand": ["not that brand", "without this brand"],
                "not second": ["not the second", "not number 2"],
                "cheaper": ["cheaper than the first", "less expensive than the first one"],
            }[move]
        )

    def keeps(self, item_id):
        return all(rule(CATALOGUE[item_id]) for rule in self.rules.values())


@pytest.mark.slow
def test_200_conversations_bring_items_that_exist_and_keep_what_was_said(shop):
    shown_items = kept = outside = 0
    for seed in range(200):
        script, state, shown = Script(random.Random(seed)), None, ()
        for _ in range(4):
            answer = shop.chat(script.turn(shown), events=[], k=4, state=state)
            state, shown = answer.state.model_dump(mode="json"), answer.state.shown
            outside += sum(item_id not in CATALOGUE for item_id in shown)
            shown_items += len(shown)
            kept += sum(script.keeps(item_id) for item_id in shown)
            # What is said to be too narrow is: nothing that keeps all of it is left out.
            if len(shown) < 4:
                left = [item_id for item_id in CATALOGUE if script.keeps(item_id)]
                assert sorted(left) == sorted(shown)
            named = [line for line in answer.text.splitlines() if line[:1].isdigit()]
            assert len(named) == len(shown)
    assert outside == 0 and shown_items > 1500
    assert kept == shown_items


def test_all_messages_are_read_where_there_is_no_state(shop):
    messages = [
        {"role": "user", "content": "pots under 20"},
        {"role": "assistant", "content": "Here are 5: …"},
        {"role": "user", "content": "not Acme"},
    ]
    answer = shop.chat(messages, "u0")
    assert [each.said for each in answer.state.constraints] == ["price below 20", "not Acme"]
    assert answer.state.query == "pots"


def test_filters_of_the_caller_hold_beside_what_is_said(shop):
    answer = shop.chat("not Acme", events=[], k=18, filters={"brand": {"any": ["Acme", "Birch"]}})
    assert {CATALOGUE[one]["brand"] for one in answer.state.shown} == {"Birch"}


@pytest.fixture(scope="module")
def client(shop_run, tmp_path_factory):
    with start_gateway(shop_run, tmp_path_factory.mktemp("store")) as client:
        yield client


def say(client, text, state=None, **body):
    messages = [{"role": "user", "content": text}]
    body = {"events": [], "messages": messages, "state": state, "k": 4} | body
    answer = client.post("/v1/chat", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_conversation_over_http(client):
    first = say(client, "under 20")
    second = say(client, "not that brand, for my mother", first["state"])
    gone = CATALOGUE[first["items"][0]["item_id"]]["brand"]
    assert gone and all(CATALOGUE[each["item_id"]]["brand"] != gone for each in second["items"])
    assert all(CATALOGUE[each["item_id"]]["price"] < 20 for each in second["items"])
    assert second["state"]["wish"] == ["mother"] and second["recommendation_id"]
    none = say(client, "under 0.1", second["state"])
    assert none["items"] == [] and none["recommendation_id"] is None and "left" in none["text"]
    again = say(client, "any price", none["state"])
    assert len(again["items"]) == 4


def test_what_left_the_catalogue_meanwhile_is_passed_over(client):
    state = {"shown": ["gone"], "excluded": ["gone", "i1"]}
    answer = say(client, "not that brand", state)
    assert answer["unread"] and "i1" not in {item["item_id"] for item in answer["items"]}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": "x" * 100_000}]},
        {"messages": [{"role": "assistant", "content": "hello"}]},
        {"messages": [{"role": "user", "content": "tea"}], "state": {"no": 1}},
        {
            "messages": [{"role": "user", "content": "tea"}],
            "state": {"constraints": [{"said": "", "subject": "", "filter": {"smell": "good"}}]},
        },
        {
            "messages": [{"role": "user", "content": "cheaper"}],
            "state": {
                "constraints": [{"said": "", "subject": "price l", "filter": {"price": [5]}}],
                "shown": ["i1"],
            },
        },
        {"messages": [{"role": "user", "content": "a\x00b"}]},
    ],
)
def test_http_says_what_cannot_be_read(client, body):
    answer = client.post("/v1/chat", json={"events": [], **body})
    assert answer.status_code in (400, 413, 422) and answer.json()["error"]["message"]


def test_the_command_line_talks(shop_run):
    arguments = ["chat", "--run", str(shop_run), "--user", "u0", "--device", "cpu", "-k", "2"]
    said = "pots, please\n\nnot Acme\n" + "x" * 20_000 + "\nunder 20\n"
    talked = CliRunner().invoke(cli, arguments, input=said)
    assert talked.exit_code == 0, talked.output
    assert "(not Acme; price below 20):" in talked.output
