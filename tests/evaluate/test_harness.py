import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from rich.console import Console

from genrec.baselines import Popularity, fit_baselines
from genrec.errors import ConfigError
from genrec.evaluate import evaluate, harness
from genrec.evaluate.report import compare
from genrec.schema import Event, Example, History, Recommendation, Request
from tests.toy_oracle import Oracle


class Scripted:
    """Answers each request with whatever item IDs a function gives."""

    name = "scripted"

    def __init__(self, answer: Callable[[Request, int], Sequence[str]]) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    def rank_many(self, requests, k):
        self.requests += requests
        return [
            [
                Recommendation(item_id, rank, -float(rank))
                for rank, item_id in enumerate(self.answer(request, k), start=1)
            ]
            for request in requests
        ]


def unseen(data, request: Request) -> list[str]:
    seen = {event.item_id for event in request.history.events}
    return [item.item_id for item in data.items if item.item_id not in seen]


def test_a_ranker_that_knows_the_answers_scores_one(later_data):
    answers = {
        example.history.user_id: list(dict.fromkeys(event.item_id for event in example.targets))
        for example in later_data.examples("test")
    }

    def know(request, k):
        known = answers[request.history.user_id]
        others = [item_id for item_id in unseen(later_data, request) if item_id not in known]
        return [*known, *others][:k]

    filtered, unfiltered = evaluate(Scripted(know), later_data, "test")
    for result in (filtered, unfiltered):
        assert result.intervals["ndcg@20"].mean == pytest.approx(1)
        assert result.intervals["mrr@1"].mean == 1
        assert result.invalid_rate == result.duplicate_rate == 0
    assert max(map(len, answers.values())) > 1


def test_questions_tell_when_and_of_which_kind_but_not_what(toy_data):
    ranker = Scripted(lambda request, k: unseen(toy_data, request)[:k])
    evaluate(ranker, toy_data, "test", ask_at="target")
    examples = {example.history.user_id: example for example in toy_data.examples("test")}
    for request in ranker.requests:
        target = examples[request.history.user_id].targets[0]
        assert (request.at, request.event_type) == (target.timestamp, target.event_type)
        assert target not in request.history.events
    assert {request.filter_seen for request in ranker.requests} == {True, False}
    ranker.requests.clear()
    evaluate(ranker, toy_data, "test", ask_at="last")
    assert {(request.at, request.event_type) for request in ranker.requests} == {(None, None)}


@pytest.mark.parametrize(
    ("answer", "invalid", "duplicate"),
    [
        (lambda ids, k: ids[: k // 2], 0.5, 0.0),
        (lambda ids, k: [*ids[: k - 5], *["nothing"] * 5], 0.25, 0.0),
        (lambda ids, k: [*ids[: k // 2], *ids[: k // 2]], 0.0, 0.5),
        (lambda ids, k: ids[: k + 20], 0.5, 0.0),
        (lambda ids, k: [], 1.0, 0.0),
    ],
    ids=["too few", "no such item", "twice", "too many", "none"],
)
def test_bad_answers_are_counted(toy_data, answer, invalid, duplicate):
    ranker = Scripted(lambda request, k: answer(unseen(toy_data, request), k))
    for result in evaluate(ranker, toy_data, "test"):
        assert result.invalid_rate == pytest.approx(invalid)
        assert result.duplicate_rate == pytest.approx(duplicate)


def test_a_seen_item_is_invalid_only_where_seen_items_are_filtered(toy_data):
    ranker = Scripted(lambda request, k: [request.history.events[0].item_id])
    filtered, unfiltered = evaluate(ranker, toy_data, "test", k=1)
    assert filtered.invalid_rate == 1
    assert unfiltered.invalid_rate == 0


def test_a_sample_is_seeded_and_keeps_the_order(toy_data):
    ranker = Popularity.fit(toy_data)
    everybody = evaluate(ranker, toy_data, "test")[0].user_ids
    drawn = [
        evaluate(ranker, toy_data, "test", max_users=20, seed=s)[0].user_ids for s in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 20
    assert [everybody.index(user) for user in drawn[0]] == sorted(map(everybody.index, drawn[0]))


def test_a_sample_may_be_of_one_user(toy_data):
    assert len(evaluate(Popularity.fit(toy_data), toy_data, "test", max_users=1)[0].user_ids) == 1


def test_only_the_last_events_are_known_where_asked_so(toy_data):
    ranker = Scripted(lambda request, k: [])
    evaluate(ranker, toy_data, "test", k=1, last_events=2)
    whole = {example.history.user_id: example.history for example in toy_data.examples("test")}
    assert len(ranker.requests) == 2 * len(whole)
    for request in ranker.requests:
        assert request.history.events == whole[request.history.user_id].events[-2:]
    report = compare([Popularity.fit(toy_data)], toy_data, "test", last_events=2)
    assert report.to_json()["last_events"] == 2
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(report.tables())
    assert "by the last 2 events only" in console.export_text()


def test_small_batches_change_nothing(toy_data):
    ranker = Popularity.fit(toy_data)
    for one, many in zip(
        evaluate(ranker, toy_data, "valid", batch_size=7),
        evaluate(ranker, toy_data, "valid"),
        strict=True,
    ):
        assert one.intervals == many.intervals


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "train"},
        {"split": "test", "ask_at": "now"},
        {"split": "test", "k": 0},
        {"split": "test", "max_users": 0},
        {"split": "test", "last_events": 0},
    ],
)
def test_impossible_questions_are_refused(toy_data, arguments):
    with pytest.raises(ConfigError):
        evaluate(Popularity.fit(toy_data), toy_data, **arguments)


def test_knowing_more_scores_more_on_the_toy_world(toy, toy_data):
    report = compare([Oracle(toy), *fit_baselines(toy_data)], toy_data, "test")
    scores = {
        result.ranker: result.intervals["ndcg@10"].mean
        for result in report.evaluations
        if result.filter_seen
    }
    assert scores["oracle"] > scores["item-knn"] + 0.1 > scores["popularity"] + 0.2
    lead = report.to_json()["differences"]["item-knn"]["filtered"]["ndcg@10"]
    assert lead["low"] > 0


def test_the_report_is_whole(toy_data):
    report = compare(fit_baselines(toy_data), toy_data, "test", num_beams=30)
    content = json.loads(json.dumps(report.to_json()))
    assert content["data_hash"] == toy_data.manifest.content_hash
    assert (content["split"], content["protocol"]) == ("test", "leave-one-out")
    assert (content["level"], content["num_beams"], content["max_targets"]) == ("item", 30, 1)
    assert (content["num_users"], content["num_items"], content["tie_order"]) == (150, 240, "file")
    assert (content["k"], content["seed"], content["max_users"]) == (20, 0, None)
    assert content["provenance"]["popularity"]["item_counts"]["upto"] == "train"
    assert set(content["rankers"]["item-knn"]) == {"filtered", "unfiltered"}
    found = content["rankers"]["item-knn"]["filtered"]
    assert found["recall@10"]["low"] <= found["recall@10"]["mean"] <= found["recall@10"]["high"]
    assert found["invalid_rate"] == found["duplicate_rate"] == 0


def test_the_table_says_what_was_measured(toy_data):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(compare(fit_baselines(toy_data), toy_data, "test").tables())
    printed = capture.get()
    for words in ("test split", "150 users", "seen filtered", "seen allowed", "95%"):
        assert words in printed
    assert "item-" in printed and "markov" in printed and "ndcg@20" in printed
    assert "…" not in printed


def small_data(num_users: int, targets: str = "B") -> SimpleNamespace:
    """Return a stand-in for a data set: users who saw A, and whose targets are these letters."""
    examples = [
        Example(
            History(f"u{user}", (Event(f"u{user}", "A", 1, "view"),)),
            tuple(Event(f"u{user}", item, 2 + row, "view") for row, item in enumerate(targets)),
        )
        for user in range(num_users)
    ]
    return SimpleNamespace(
        item_index={item: row for row, item in enumerate("ABCD")},
        examples=lambda split: iter(examples),
        num_examples=lambda split: num_users,
    )


def test_a_target_that_happens_twice_counts_once():
    result, _ = evaluate(Scripted(lambda request, k: "BCD"[:k]), small_data(1, "BBC"), "test", k=5)
    assert result.num_targets.tolist() == [2] and result.ranks.tolist() == [1, 2]
    assert result.per_user["recall@1"][0] == 0.5 and result.per_user["ndcg@5"][0] == 1


def test_every_user_is_as_likely_to_be_in_a_sample():
    data, drawn, num_seeds = small_data(10), Counter(), 200
    ranker = Scripted(lambda request, k: "B")
    for seed in range(num_seeds):
        drawn.update(evaluate(ranker, data, "test", k=1, max_users=5, seed=seed)[0].user_ids)
    # The standard deviation of a count is 7.
    assert drawn == {f"u{user}": pytest.approx(num_seeds / 2, abs=25) for user in range(10)}


def test_speed_is_over_all_batches(monkeypatch):
    monkeypatch.setattr(harness, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    ranker = Scripted(lambda request, k: "B")
    result, _ = evaluate(ranker, small_data(4), "test", k=1, batch_size=1)
    # A second for each user's two lists.
    assert result.users_per_s == 2
