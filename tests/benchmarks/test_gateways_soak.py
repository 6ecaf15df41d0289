"""What the soak of gateways would notice."""

import pytest

from benchmarks.gateways_soak import Account

RIGHT = {
    "items": {"a": ("A", False), "b": ("B", True)},
    "rules": {"no": "x"},
    "promotions": {"path": "one"},
    "fault": None,
    "shown": {"a", "y"},
}


@pytest.fixture
def account():
    items = {"a": ("A", False), "b": ("B", True)}
    return Account(items, {"no": "x", "gone": None}, [None, "one"])


def test_what_was_acknowledged_and_told_is_right(account):
    account.hold_against(RIGHT)
    assert account.faults == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"items": {"a": ("A", False)}}, "lost: b"),
        ({"items": RIGHT["items"] | {"a": ("Old", False)}}, "lost: a"),
        ({"rules": {}}, "lost: rule no"),
        ({"rules": {"no": "x", "gone": "y"}}, "lost: rule gone"),
        ({"promotions": None}, "lost: promotion of one"),
        ({"fault": "is gone"}, "not served"),
        ({"shown": {"b"}}, "shown though"),
        ({"shown": {"x"}}, "shown though"),
    ],
)
def test_what_is_wrong_is_a_fault(account, wrong, fault):
    account.hold_against(RIGHT | wrong)
    assert len(account.faults) == 1 and account.faults[0].startswith(fault)
    account.faults.clear()
    account.unsure |= {"a", "b", "no", "gone", "promotions", "x"}
    account.hold_against(RIGHT | wrong)
    assert not account.faults or fault == "not served"
