"""A small catalogue with three coarse interests, and histories drawn from it."""

import numpy as np
import pytest
from hypothesis import strategies as st

from genrec.schema import Event, History, Item
from genrec.semantic_ids.table import SemanticIdTable

CODES = {
    "a": (0, 0, 0), "b": (0, 1, 0), "c": (0, 1, 1), "d": (1, 0, 0), "e": (1, 1, 0), "f": (2, 0, 0),
}  # fmt: skip
NAMES = {(0,): "tea", (0, 0): "tea · black", (0, 1): "tea · green", (1,): "running", (2,): "vinyl"}
TABLE = SemanticIdTable(
    list(CODES), np.array(list(CODES.values())), 3, np.zeros((3, 3, 1), np.float32), NAMES
)
ITEMS = [
    Item("a", "Assam leaf"), Item("b", "Sencha leaf"), Item("c", "Matcha 抹茶 whisk"),
    Item("d", "Trail shoes"), Item("e", "Road shoes"), Item("f"),
]  # fmt: skip
DAY = 86_400


@pytest.fixture
def table():
    return TABLE


# "x" is an item without codes. Times of a user rise, and may stand still.
_STEPS = st.tuples(
    st.sampled_from("abcdefx"),
    st.integers(0, 400),
    st.none() | st.integers(0, 6),
    st.sampled_from([None, "", "I love it.", "Awful, it broke.", "很好"]),
)


@st.composite
def some_histories(draw, max_users=4):
    """Histories of some users, and all their events in the order of time."""
    histories = []
    for user in range(draw(st.integers(0, max_users))):
        time, events = draw(st.integers(-1000, 1000)) * DAY, []
        for item, days, rating, review in draw(st.lists(_STEPS, min_size=1, max_size=6)):
            time += days * DAY
            events.append(Event(f"u{user}", item, time, None, rating, None, review))
        histories.append(History(f"u{user}", tuple(events)))
    return histories
