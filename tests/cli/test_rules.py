"""Filters, rules and similar items on the command line."""

import json

from tests.conftest import genrec, succeed


def test_filters_and_rules_are_the_librarys(shop_run, shop):
    where, rule = {"price": {"lte": 20}}, {"at_most": 1, "per": "brand"}
    asked = ("recommend", "--run", shop_run, "--user", "u1", "-k", 3, "--json", "--device", "cpu")
    done = succeed(genrec(*asked, "--filter", json.dumps(where), "--rule", json.dumps(rule)))
    expected = shop.recommend("u1", k=3, filters=where, rules=[rule])
    assert [one["item_id"] for one in json.loads(done.stdout)] == [one.item_id for one in expected]
    wrong = genrec(*asked, "--filter", "{price: 3}")
    assert wrong.returncode == 2 and "is no JSON" in wrong.stderr


def test_preferences_are_the_librarys(shop_run, shop):
    never = {"never": {"categories": "Tea"}}
    asked = ("recommend", "--run", shop_run, "--user", "u1", "-k", 3, "--json", "--device", "cpu")
    done = succeed(genrec(*asked, "--preferences", json.dumps(never)))
    expected = shop.recommend("u1", k=3, preferences=[never])
    assert [one["item_id"] for one in json.loads(done.stdout)] == [one.item_id for one in expected]


def test_similar_items(shop_run, shop):
    asked = ("similar", "--run", shop_run, "--item", "i2", "-k", 2, "--by", "text", "--json")
    done = succeed(genrec(*asked, "--filter", '{"categories": "Garden"}'))
    expected = shop.similar_to("i2", 2, "text", {"categories": "Garden"})
    assert [one["item_id"] for one in json.loads(done.stdout)] == [one.item_id for one in expected]
