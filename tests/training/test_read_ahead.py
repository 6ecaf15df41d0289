"""One thing ahead, in order, and a fault reaches who waits for it."""

from functools import partial

import pytest

from genrec.training.read_ahead import read_ahead


def test_all_come_in_order_and_none_is_asked_for_too_early():
    asked = []

    def read(number):
        asked.append(number)
        return number

    for number, found in enumerate(read_ahead(partial(read, number) for number in range(9))):
        assert found == number
        assert len(asked) <= number + 2
    assert asked == [*range(9)]
    assert list(read_ahead([])) == []


def test_a_fault_comes_in_its_turn():
    found = read_ahead([lambda: 1, lambda: 1 // 0, lambda: 3])
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
