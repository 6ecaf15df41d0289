"""What preferences do to lists, on the little shop, whose search is exact."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import event as note
from hypothesis import strategies as st

from genrec.errors import DataError, GenrecError
from genrec.feedback import evidence_of
from genrec.preferences import Steering, read_preferences
from genrec.preferences.receipts import list_receipts
from genrec.rules.turning import GAINED, LEFT, MOST_NATS, nats_to_turn, share_of
from genrec.schema import Event, Request

USERS = [f"u{n}" for n in range(12)]
FILTERS = [
    {"categories": "Tea"},
    {"brand": ["Acme", "Dune"]},
    {"price": {"lte": 15}},
    {"not": {"tags": "gift"}},
]
few = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def abouts(draw, shop):
    kind = draw(st.sampled_from(["filter", "name", "prefix"]))
    if kind == "filter":
        return draw(st.sampled_from(FILTERS))
    prefix = draw(st.sampled_from(sorted(shop.table.names)))
    return shop.table.names[prefix].upper() if kind == "name" else list(prefix)


@st.composite
def wishes(draw, shop):
    want = draw(st.sampled_from(["more", "less", "never", "pin"]))
    wish = {want: draw(abouts(shop))}
    if want in ("more", "less") and draw(st.booleans()):
        wish["by"] = draw(st.sampled_from([0.5, 3, 50]))
    return wish


def ids(items):
    return [item.item_id for item in items]


@few
@given(data=st.data())
def test_never_means_none_whatever_else_is_asked(shop, data):
    preferences = data.draw(st.lists(wishes(shop), max_size=4))
    user = data.draw(st.sampled_from(USERS))
    gifts = data.draw(st.lists(st.sampled_from(shop.history(user).events), max_size=2))
    preferences += [{"gift": {"item_id": one.item_id, "timestamp": one.timestamp}} for one in gifts]
    options = {
        "filter_seen": data.draw(st.booleans()),
        "filters": data.draw(st.sampled_from([None, *FILTERS])),
        "rules": data.draw(st.sampled_from([[], [{"at_most": 2, "per": "brand"}]])),
    }
    k = data.draw(st.integers(1, 3))
    before = shop.recommend(user, k=1, filter_seen=False)
    try:
        steering = shop.steering(preferences)
        found = shop.recommend(user, k=k, preferences=preferences, **options)
    except GenrecError as error:
        note(type(error).__name__)
        return
    note("a list")
    assert len({*ids(found)}) == k
    for placed in steering.wishes:
        of_it = [item for item in found if placed.mask[shop.table.index_of(item.item_id)]]
        if placed.want == "never":
            assert not of_it
    # Nothing of it stays: the very same floats.
    assert shop.recommend(user, k=1, filter_seen=False) == before


@settings(few, max_examples=10)
@given(data=st.data())
def test_less_and_more_leave_the_order_of_the_rest(shop, data):
    prefix = data.draw(st.sampled_from([p for p in sorted(shop.table.names) if len(p) == 1]))
    user, nats = data.draw(st.sampled_from(USERS)), data.draw(st.sampled_from([0.3, 2, 8]))
    total = len(shop.table)
    plain = shop.recommend(user, k=total, filter_seen=False)
    for want, sign in (("less", -1), ("more", 1)):
        wish = {want: list(prefix), "by": nats}
        turned = shop.recommend(user, k=total, filter_seen=False, preferences=[wish])
        for is_own in (True, False):
            mine = [
                [one for one in items if (one.semantic_id[:1] == prefix) == is_own]
                for items in (plain, turned)
            ]
            assert ids(mine[0]) == ids(mine[1])
        old, new = ({one.item_id: one.score for one in items} for items in (plain, turned))
        inside = [one.item_id for one in plain if one.semantic_id[:1] == prefix]
        outside = [item_id for item_id in old if item_id not in inside]
        moved = [new[inside[0]] - old[inside[0]], new[outside[0]] - old[outside[0]]]
        assert moved[0] - moved[1] == pytest.approx(sign * nats, abs=1e-3)


@given(st.floats(0, 1))
def test_a_share_is_turned_into_the_one_that_is_wanted(share):
    def turned(want):
        odds = share / (1 - share) * np.exp(nats_to_turn(want, share)) if share < 1 else np.inf
        return odds / (1 + odds) if np.isfinite(odds) else 1.0

    more = share + GAINED * (1 - share)
    if nats_to_turn("more", share) < MOST_NATS:
        assert turned("more") == pytest.approx(more, abs=1e-6)
    else:
        assert turned("more") <= more + 1e-6
    if share < 0.999:
        assert turned("less") == pytest.approx(LEFT * share, abs=1e-6)
    assert nats_to_turn("less", share) < 0 < nats_to_turn("more", share) <= MOST_NATS


@pytest.mark.parametrize("about", [{"categories": "Tea"}, "interest"])
@pytest.mark.parametrize("want", ["more", "less"])
def test_what_is_wanted_is_turned_as_far_as_the_users_own_odds_need(shop, want, about):
    """With every item in the list, scores are all of the odds."""
    total, nats = len(shop.table), set()
    for user in USERS[:3]:
        plain = shop.recommend(user, k=total, filter_seen=False)
        prefix = plain[3].semantic_id[:1]
        wish = {want: list(prefix) if about == "interest" else about}
        found = shop.recommend(user, k=total, filter_seen=False, preferences=[wish])
        own = {
            one.item_id
            for one in plain
            if (one.semantic_id[:1] == prefix if about == "interest" else "Tea" in one.title)
        }
        before, after = (
            share_of(
                np.array([one.item_id in own for one in items]),
                np.array([one.score for one in items]),
            )
            for items in (plain, found)
        )
        strength = nats_to_turn(want, before)
        nats.add(round(strength, 6))
        odds = before / (1 - before) * np.exp(strength)
        assert after == pytest.approx(odds / (1 + odds), abs=2e-4)
    assert len(nats) == 3  # everybody's own


def test_a_pin_is_in_every_list_that_has_room_for_it(shop):
    last = ids(shop.recommend("u1", k=18 - len({*_seen(shop, "u1")})))[-1]
    found = shop.recommend("u1", k=2, preferences=[{"pin": {"item_id": last}}])
    assert last in ids(found)
    pins = [{"pin": {"item_id": each}} for each in _seen(shop, "u1")[:1]] + [{"pin": FILTERS[0]}]
    # What the user has seen is not shown again, pinned or not; a list of one has room for one.
    assert len(shop.recommend("u1", k=1, preferences=pins)) == 1
    plain, pinned = (shop.recommend("u1", k=1, preferences=one) for one in ([], pins[:1]))
    assert plain == pinned


def _seen(shop, user):
    return [event.item_id for event in shop.history(user).events]


def test_a_gift_is_no_evidence_and_is_not_shown(shop):
    gift = shop.history("u3").events[-1]
    for written in (gift.item_id, {"item_id": gift.item_id, "timestamp": gift.timestamp}):
        found = shop.recommend("u3", k=8, preferences=[{"gift": written}])
        without = shop.recommend("u3", k=8, without=[-1], exclude=[gift.item_id])
        assert found == without
    other = {"gift": {"item_id": gift.item_id, "timestamp": gift.timestamp + 1}}
    assert shop.recommend("u3", k=8, preferences=[other]) == shop.recommend("u3", k=8)


def test_what_is_refused_is_hidden_dampened_and_no_evidence(shop):
    history = shop.history("u2")
    first = shop.recommend("u2", k=1)[0]
    moment = history.events[-1].timestamp
    refused = (*history.events, Event("u2", first.item_id, moment, "not_interested"))
    found = shop.recommend(events=refused, k=6, filter_seen=False)
    bias = {first.semantic_id[:1]: -1.0}
    expected = shop.recommend(
        events=history.events, k=6, filter_seen=False, exclude=[first.item_id], interest_bias=bias
    )
    assert found == expected
    assert shop.interests(events=refused) == shop.interests(events=history.events)
    assert shop.next_interests(events=refused) == shop.next_interests(events=history.events)
    why = shop.explain(found[0].item_id, events=refused)
    assert all(effect.event.event_type != "not_interested" for effect in why.effects)


def test_what_is_owned_is_hidden_and_stays_evidence(shop):
    history = shop.history("u2")
    first = shop.recommend("u2", k=1)[0]
    owned = Event("u2", first.item_id, history.events[-1].timestamp, "already_have")
    request = shop.heed(Request(evidence_of(type(history)("u2", (*history.events, owned)))))
    assert request.history.events[-1] == owned and first.item_id in request.exclude
    assert not request.interest_bias and request.event_type == history.events[-1].event_type
    events = (*history.events, owned)
    assert first.item_id not in ids(shop.recommend(events=events, k=6, filter_seen=False))


def test_feedback_fades(shop):
    item = shop.table.item_ids[0]
    refused = Event("u", item, 1, "dislike")
    others = [Event("u", shop.table.item_ids[n], 2 + n, "view") for n in range(8)]
    heeded = [
        shop.heed(Request(shop.history(events=[refused, *others[:n]]))).interest_bias
        for n in range(9)
    ]
    nats = [bias[shop.table.codes_of(item)[:1]] for bias in heeded]
    assert nats == sorted(nats) and nats[0] == -1 and nats[8] == pytest.approx(-0.5)


def test_receipts_say_who_says_so(shop):
    history = shop.history("u5")
    codes = [shop.table.codes_of(event.item_id)[:1] for event in history.events]
    often = max(codes, key=codes.count)
    name = shop.table.names[often]
    steering = shop.steering([{"less": name}, {"pin": FILTERS[0]}, {"more": {"brand": "Dune"}}])
    found = list_receipts(history, steering, shop.table, shop.next_interests("u5", top=2))
    by_name = {receipt.name: receipt for receipt in found}
    assert [receipt.want for receipt in found[:3]] == ["less", "pin", "more"]
    first = by_name[name]
    assert first.events == tuple(
        event for event, code in zip(history.events, codes, strict=True) if code == often
    )
    assert first.since == first.events[0].timestamp
    assert ("events" in first.said_by) == (codes.count(often) >= 2) and "user" in first.said_by
    expected = {name for name, _ in shop.next_interests("u5", top=2)}
    assert {one.name for one in found if "model" in one.said_by} == expected


def test_a_wish_that_events_contradict_is_told(shop):
    tea = [item.item_id for item in shop.items if "Tea" in item.categories]
    other = next(item.item_id for item in shop.items if "Tea" not in item.categories)
    events = [Event("u", each, n, "view") for n, each in enumerate([other, *tea[:4]])]
    steering = shop.steering([{"less": FILTERS[0]}])
    receipt = list_receipts(shop.history(events=events), steering, shop.table, [])[0]
    assert receipt.contradiction == (
        'you asked for less {"categories": "Tea"}; 4 of your last 5 events are of it'
    )
    calm = [Event("u", other, n, "view") for n in range(4)]
    assert (
        list_receipts(shop.history(events=calm), steering, shop.table, [])[0].contradiction is None
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"less": "Tea"}, "a list of preferences"),
        (["less"], "an object with one of more, less"),
        ([{}], "no kind of preference"),
        ([{"les": "Tea"}], "did you mean 'less'"),
        ([{"less": "x", "more": "y"}], "more and less in one preference"),
        ([{"never": "x", "by": 2}], "takes nothing beside it"),
        ([{"less": "x", "strength": 2}], "takes only 'by' beside it"),
        ([{"less": "x", "by": 0}], "give nats above 0"),
        ([{"less": "x", "by": float("nan")}], "give nats above 0"),
        ([{"less": []}], "holds 0 codes"),
        ([{"less": [0.5]}], "whole number"),
        ([{"less": 7}], "the name of an interest, or a filter"),
        ([{"less": "no such interest"}], "no interest is called"),
        ([{"less": [99]}], "no item lies under"),
        ([{"less": {"colour": "red"}}], "no item has an attribute 'colour'"),
        ([{"less": {"brand": "nobody"}}], "no item passes the filter"),
        ([{"gift": "i99"}], "item 'i99' is not in the table"),
        ([{"gift": {"item_id": "i1"}}], "an object of item_id and timestamp"),
        ([{"gift": {"item_id": "i1", "timestamp": "now"}}], "whole number"),
        ([{"more": FILTERS[0]}, {"less": FILTERS[0]}], "say one thing of each interest"),
        ([{"never": FILTERS[0]}, {"more": {"item_id": "i0"}}], "contradicts 'never'"),
        ([{"never": {"item_id": {"exists": True}}}], "the preferences leave no item"),
        ([{"less": FILTERS[0]}] * 101, "at most 100"),
    ],
)
def test_what_cannot_be_kept_is_told(shop, written, words):
    with pytest.raises(DataError, match=words.replace("(", r"\(")):
        shop.recommend("u1", preferences=written)


def test_of_what_was_stored_the_lost_is_passed_over(shop):
    written = [{"less": "gone interest"}, {"never": FILTERS[0]}, {"more": {"colour": "red"}}]
    steering = Steering(read_preferences(written), shop.attributes, passes_over=True)
    assert [placed.want for placed in steering.wishes] == ["never"] and len(steering.lost) == 2
    assert steering.lost[0].startswith("preferences.0: no interest is called 'gone interest'")


def test_nothing_said_changes_nothing(shop):
    request = Request(shop.history("u1"))
    steering = shop.steering([])
    assert steering.steer(request) is request and shop.heed(request) is request
    assert steering.profile(request.history) is request.history
    assert steering.rules([request], 5) == []
    assert np.array_equal(
        [one.score for one in shop.recommend("u1", k=5, preferences=[])],
        [one.score for one in shop.recommend("u1", k=5)],
    )


def test_the_profile_holds_nothing_of_what_is_never_wanted(shop):
    history = shop.history("u4")
    item = history.events[0].item_id
    steering = shop.steering([{"never": {"item_id": item}}])
    assert item not in {event.item_id for event in steering.profile(history).events}
    assert steering.own(history) is history
