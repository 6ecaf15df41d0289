from hypothesis import given
from hypothesis import strategies as st

from genrec.stream.windows import split_windows, visible_start

lengths = st.lists(st.integers(1, 30), max_size=60)
limits = st.integers(30, 120)
long_histories = st.lists(st.integers(10, 30), min_size=30, max_size=60)


@given(lengths, limits)
def test_every_event_is_a_target_exactly_once(lengths, limit):
    targets = [
        event
        for window in split_windows(lengths, limit)
        for event in range(window.first_target, window.end)
    ]
    assert targets == list(range(len(lengths)))


@given(lengths, limits)
def test_serving_sees_what_training_saw(lengths, limit):
    """The prompt for event i begins where the training window of event i begins."""
    for window in split_windows(lengths, limit):
        for event in range(window.first_target, window.end):
            assert visible_start(lengths[:event], limit) == window.start


@given(lengths, limits)
def test_a_prompt_holds_no_more_than_the_limit(lengths, limit):
    start = visible_start(lengths, limit)
    assert sum(lengths[start:]) <= limit


@given(long_histories, limits)
def test_events_are_dropped_in_blocks(lengths, limit):
    """Between two drops at least a third of the limit passes, so cached keys live that long."""
    starts = [visible_start(lengths[:count], limit) for count in range(len(lengths) + 1)]
    drops = [count for count in range(1, len(starts)) if starts[count] != starts[count - 1]]
    assert len(drops) >= 2
    for earlier, later in zip(drops, drops[1:], strict=False):
        assert sum(lengths[earlier:later]) >= limit - limit // 2 - 30


def test_a_single_event_longer_than_the_limit_leaves_an_empty_prompt():
    assert visible_start([50], 40) == 1
