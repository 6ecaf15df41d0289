from hypothesis import given
from hypothesis import strategies as st

from genrec.stream.windows import Segment, View, list_views
from genrec.training.samples import split_windows


def event(bare, words=0):
    return Segment([0] * (bare + words), 1, 1 + words)


def num_words(segment):
    return segment.after_words - segment.after_item


bare = st.lists(st.builds(event, st.integers(1, 30), st.just(0)), max_size=60)
worded = st.lists(st.builds(event, st.integers(1, 20), st.integers(0, 15)), max_size=60)
histories = bare | worded
limits = st.integers(35, 140)
long_histories = st.lists(
    st.builds(event, st.integers(5, 20), st.integers(0, 15)), min_size=60, max_size=90
)


def view_of(segments, limit):
    return list_views(segments, limit)[-1]


def seen(segments, view):
    """Tokens of what a view shows."""
    return sum(
        len(segment.tokens if place >= view.worded else segment.bare)
        for place, segment in enumerate(segments)
        if place >= view.start
    )


@given(histories, limits)
def test_every_event_is_a_target_exactly_once_with_its_words(segments, limit):
    targets = []
    for window in split_windows(segments, limit):
        targets += range(window.first_target, window.end)
        assert window.view.worded <= window.first_target
    assert targets == list(range(len(segments)))


@given(histories, limits)
def test_serving_sees_what_training_saw(segments, limit):
    """The prompt for event i shows what the training window of event i shows before it."""
    for window in split_windows(segments, limit):
        for event in range(window.first_target, window.end):
            assert view_of(segments[:event], limit) == window.view


@given(histories, limits)
def test_a_prompt_holds_no_more_than_the_limit(segments, limit):
    for count, view in enumerate(list_views(segments, limit)):
        assert seen(segments[:count], view) <= limit


@given(histories, limits)
def test_views_only_move_on_and_words_go_before_their_event(segments, limit):
    views = list_views(segments, limit)
    for count, view in enumerate(views):
        assert 0 <= view.start <= view.worded <= max(count, view.start)
    for earlier, later in zip(views, views[1:], strict=False):
        assert earlier.start <= later.start and earlier.worded <= later.worded


@given(bare, limits)
def test_without_words_no_event_is_without_its_words(segments, limit):
    assert all(view.start == view.worded for view in list_views(segments, limit))


@given(worded, limits)
def test_an_event_is_dropped_only_where_words_alone_leave_too_much(segments, limit):
    views = list_views(segments, limit)
    for count, (before, after) in enumerate(zip(views, views[1:], strict=False), start=1):
        if after.start > before.start:
            newest = [num_words(segment) for segment in segments[:count]]
            kept = before.worded
            while sum(newest[kept:]) > limit // 4:
                kept += 1
            stripped = View(before.start, kept)
            assert seen(segments[:count], stripped) > limit // 2


@given(long_histories, limits)
def test_cuts_come_in_blocks(segments, limit):
    """Between two cuts at least a third of the limit passes, so cached keys live that long."""
    views = list_views(segments, limit)
    cuts = [count for count in range(1, len(views)) if views[count] != views[count - 1]]
    assert len(cuts) >= 2
    for earlier, later in zip(cuts, cuts[1:], strict=False):
        passed = sum(len(segment.tokens) for segment in segments[earlier:later])
        assert passed >= limit - limit // 2 - 35


def test_old_events_lose_their_words_first():
    """Of eighty tokens a quarter for words, and half in all."""
    segments = [event(7, 3)] * 12
    views = list_views(segments, 80)
    assert views[:9] == [View()] * 9
    assert views[9:] == [View(start=5, worded=5)] * 4
    segments = [event(2, 8)] * 12
    views = list_views(segments, 80)
    assert views[:9] == [View()] * 9
    assert views[9] == View(start=0, worded=7)
    assert seen(segments[:9], views[9]) == 34


def test_a_single_event_longer_than_the_limit_leaves_an_empty_prompt():
    assert view_of([event(50)], 40) == View(1, 1)
    assert view_of([event(5, 45)], 40) == View(0, 1)
