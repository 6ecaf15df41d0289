"""What every ``schema.Ranker`` owes its caller, baselines and language model alike."""

from dataclasses import replace

import pytest

from genrec.schema import History, Request

K = 10


@pytest.fixture(scope="module")
def requests(contract_data) -> list[Request]:
    """Histories of very different lengths, some cut short, one empty."""
    examples = list(contract_data.examples("test"))[:12]
    histories = [
        replace(example.history, events=example.history.events[: 1 + 3 * place])
        for place, example in enumerate(examples)
    ]
    histories.append(History(examples[0].history.user_id, ()))
    return [Request(history) for history in histories]


def ids(answer) -> list[str]:
    return [given.item_id for given in answer]


def seen(request: Request) -> set[str]:
    return {event.item_id for event in request.history.events}


def same(one, other) -> bool:
    """Equal items; scores may differ by what the order of a sum does."""
    scores = [given.score for given in one]
    return ids(one) == ids(other) and scores == pytest.approx(
        [given.score for given in other], rel=1e-4, abs=1e-4
    )


def test_has_a_name(ranker):
    assert ranker.name


@pytest.mark.parametrize("filter_seen", [True, False])
def test_gives_k_distinct_items_of_the_catalogue_best_first(
    ranker, requests, contract_data, filter_seen
):
    requests = [replace(request, filter_seen=filter_seen) for request in requests]
    answers = ranker.rank_many(requests, K)
    assert len(answers) == len(requests)
    for answer in answers:
        assert len(answer) == len(set(ids(answer))) == K
        assert all(item_id in contract_data.item_index for item_id in ids(answer))
        assert [given.rank for given in answer] == list(range(1, K + 1))
        scores = [given.score for given in answer]
        assert scores == sorted(scores, reverse=True)


def test_leaves_out_seen_items_unless_repeats_are_wanted(ranker, requests, contract_data):
    for request, answer in zip(requests, ranker.rank_many(requests, K), strict=True):
        assert not seen(request) & set(ids(answer))
    everything = [replace(request, filter_seen=False) for request in requests]
    for answer in ranker.rank_many(everything, len(contract_data.items)):
        assert set(ids(answer)) == set(contract_data.item_index)


def test_leaves_out_what_is_excluded(ranker, requests):
    first = ranker.rank_many(requests, 3)
    narrower = [
        replace(request, exclude=frozenset(ids(answer)))
        for request, answer in zip(requests, first, strict=True)
    ]
    for request, answer in zip(narrower, ranker.rank_many(narrower, K), strict=True):
        assert len(answer) == K
        assert not request.exclude & set(ids(answer))


def test_stays_within_only(ranker, requests, contract_data):
    candidates = frozenset(item.item_id for item in contract_data.items[::3])
    narrower = [replace(request, candidates=candidates) for request in requests]
    for request, answer in zip(narrower, ranker.rank_many(narrower, K), strict=True):
        assert set(ids(answer)) <= candidates - seen(request)
        assert len(answer) == K


def test_filters_add_up(ranker, requests, contract_data):
    candidates = frozenset(item.item_id for item in contract_data.items[:30])
    exclude = frozenset(item.item_id for item in contract_data.items[10:20])
    narrower = [replace(request, candidates=candidates, exclude=exclude) for request in requests]
    for request, answer in zip(narrower, ranker.rank_many(narrower, 30), strict=True):
        assert set(ids(answer)) == candidates - exclude - seen(request)


def test_gives_fewer_only_where_the_filters_leave_fewer(ranker, requests, contract_data):
    too_many = len(contract_data.items) + 5
    for request, answer in zip(requests, ranker.rank_many(requests, too_many), strict=True):
        assert set(ids(answer)) == set(contract_data.item_index) - seen(request)
        assert [given.rank for given in answer] == list(range(1, len(answer) + 1))


def test_passes_over_filters_that_name_no_item(ranker, requests):
    odd = [replace(request, exclude=frozenset({"no such item"})) for request in requests]
    for one, other in zip(ranker.rank_many(requests, K), ranker.rank_many(odd, K), strict=True):
        assert same(one, other)


def test_the_same_question_has_the_same_answer(ranker, requests):
    assert ranker.rank_many(requests, K) == ranker.rank_many(requests, K)


def test_a_batch_equals_one_by_one(ranker, requests, contract_data):
    candidates = frozenset(item.item_id for item in contract_data.items[::2])
    mixed = [
        replace(
            request, filter_seen=place % 2 == 1, candidates=candidates if place % 3 == 0 else None
        )
        for place, request in enumerate(requests)
    ]
    for request, answer in zip(mixed, ranker.rank_many(mixed, K), strict=True):
        assert same(answer, ranker.rank_many([request], K)[0])


def test_a_longer_list_begins_with_the_shorter_one(ranker, requests):
    for short, long in zip(
        ranker.rank_many(requests, 5), ranker.rank_many(requests, 15), strict=True
    ):
        assert ids(long)[:5] == ids(short)


def test_no_questions_no_answers(ranker):
    assert ranker.rank_many([], K) == []
