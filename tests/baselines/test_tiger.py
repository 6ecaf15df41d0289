"""TIGER: its search against every item scored one by one, its samples, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.baselines.tiger import Tiger
from genrec.baselines.tiger_config import PUBLISHED, TigerConfig
from genrec.baselines.tiger_model import (
    FIRST_CODE,
    PAD,
    build_model,
    code_tokens,
    lay_out,
    search,
)
from genrec.baselines.tiger_training import Samples
from genrec.baselines.validation import measure_ndcg, sample_questions
from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.errors import DataError
from genrec.schema import Event, History, Request
from genrec.semantic_ids.table import SemanticIdTable

TINY = {"width": 16, "num_heads": 2, "head_width": 8, "inner_width": 32, "num_layers": 2}
LEVELS, CODEBOOK = 3, 4


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(TigerConfig(**TINY), FIRST_CODE + LEVELS * CODEBOOK).eval()


@torch.inference_mode()
def score_one_by_one(model, history, paths, allowed) -> dict[int, float]:
    """Teacher-force each allowed item; a token's rivals are those that lead to allowed items."""
    input_ids, mask = lay_out([history], paths)
    scores = {}
    for row in allowed:
        path = paths[row]
        written = torch.tensor([[PAD, *path[:-1]]])
        logits = model(
            input_ids=input_ids, attention_mask=mask, decoder_input_ids=written
        ).logits[0].double()  # fmt: skip
        total = 0.0
        for level, token in enumerate(path):
            same = [other for other in allowed if (paths[other][:level] == path[:level]).all()]
            rivals = sorted({int(paths[other][level]) for other in same})
            total += float(logits[level, token] - logits[level, rivals].logsumexp(0))
        scores[row] = total
    return scores


catalogues = st.sets(
    st.tuples(*[st.integers(0, CODEBOOK - 1)] * LEVELS), min_size=2, max_size=20
).map(lambda found: np.array(sorted(found)))


@settings(max_examples=12, deadline=None)
@given(data=st.data(), codes=catalogues)
def test_a_wide_search_equals_scoring_every_item(model, data, codes):
    paths = code_tokens(codes, CODEBOOK)
    rows = st.integers(0, len(codes) - 1)
    histories = data.draw(st.lists(st.lists(rows, max_size=5), min_size=1, max_size=3))
    excluded = data.draw(st.lists(st.sets(rows), min_size=len(histories), max_size=len(histories)))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = lay_out([np.array(each, dtype=int) for each in histories], paths)
    constraint = Constraint.build(trie, [sorted(each) for each in excluded])
    found = search(model, input_ids, mask, trie, len(codes) + 1, constraint)
    answers = zip(found.leaves, found.scores, histories, excluded, strict=True)
    for leaves, scores, history, gone in answers:
        allowed = [row for row in range(len(codes)) if row not in gone]
        expected = score_one_by_one(model, np.array(history, dtype=int), paths, allowed)
        kept = leaves[leaves >= 0].tolist()
        assert sorted(kept) == allowed
        assert scores[: len(kept)].tolist() == pytest.approx(
            sorted(expected.values(), reverse=True), abs=1e-4
        )
        assert [expected[row] for row in kept] == pytest.approx(
            scores[: len(kept)].tolist(), abs=1e-4
        )
        assert scores[len(kept) :].isneginf().all()


@settings(max_examples=12, deadline=None)
@given(data=st.data(), codes=catalogues, num_beams=st.integers(1, 6))
def test_a_narrow_search_gives_only_allowed_items_and_each_once(model, data, codes, num_beams):
    paths = code_tokens(codes, CODEBOOK)
    candidates = data.draw(st.sets(st.integers(0, len(codes) - 1), min_size=1))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = lay_out([np.array([0])], paths)
    constraint = Constraint.build(trie, candidates=[sorted(candidates)])
    leaves = search(model, input_ids, mask, trie, num_beams, constraint).leaves[0].tolist()
    kept = [leaf for leaf in leaves if leaf >= 0]
    assert len(kept) == len(set(kept)) == min(num_beams, len(candidates))
    assert set(kept) <= candidates


def test_histories_end_with_an_end_and_are_padded():
    paths = code_tokens(np.array([[0, 1], [1, 0]]), 2)
    input_ids, mask = lay_out([np.array([0, 1]), np.array([], dtype=int)], paths)
    assert input_ids.tolist() == [[2, 5, 3, 4, 1], [1, 0, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6), size=st.integers(1, 5))
def test_every_prefix_is_a_sample_once_an_epoch(lengths, size):
    users = np.repeat(np.arange(len(lengths)), lengths)
    rows = np.arange(len(users))
    samples = Samples.of(users, rows, max_items=3)
    seen = []
    for batch in samples.batches(size, np.random.default_rng(0)) if len(samples) else ():
        assert 1 <= len(batch) <= size
        seen += batch.tolist()
        for number in batch:
            begin, end = samples.begins[number], samples.ends[number]
            assert users[begin] == users[end]
            first = int(np.flatnonzero(users == users[end])[0])
            assert begin == max(first, end - 3)
    assert sorted(seen) == list(range(len(samples)))
    assert len(samples) == sum(length - 1 for length in lengths)


@pytest.fixture(scope="module")
def circle(tmp_path_factory) -> tuple[Dataset, SemanticIdTable]:
    """Everybody goes round the same circle of items."""
    root = tmp_path_factory.mktemp("circle")
    rows = ["user_id,item_id,timestamp"]
    for user in range(48):
        rows += [f"u{user},i{(user + step) % 8},{step}" for step in range(7)]
    (root / "events.csv").write_text("\n".join(rows) + "\n")
    prepare(root / "events.csv", None, root / "data")
    data = Dataset.load(root / "data")
    codes = np.array([[place // 4, place // 2 % 2, place % 2] for place in range(8)])
    centroids = np.zeros((3, 2, 1), dtype=np.float32)
    ids = [item.item_id for item in reversed(data.items)]
    return data, SemanticIdTable(ids, codes, 2, centroids, {})


def fit(circle, **changed) -> Tiger:
    made = {
        **TINY, "epochs": 20, "patience": 20, "learning_rate": 1e-2, "batch_size": 16,
        "dropout": 0.0, "bf16": False, **changed,
    }  # fmt: skip
    return Tiger.fit(*circle, seed=3, config=TigerConfig(**made))


@pytest.fixture(scope="module")
def tiger(circle) -> Tiger:
    return fit(circle, validation_users=0)


def test_learns_a_circle(circle, tiger):
    for place in range(8):
        events = tuple(Event("u", f"i{(place + step) % 8}", step) for step in range(4))
        (answer,) = tiger.rank_many([Request(History("u", events))], 1)
        assert answer[0].item_id == f"i{(place + 4) % 8}"
        assert answer[0].semantic_id == circle[1].codes_of(answer[0].item_id)


def test_the_best_look_is_kept_and_ends_the_training(circle):
    data, _ = circle
    watched = fit(circle, patience=2, epochs=100)
    looks = [point["ndcg@10"] for point in watched.curve]
    assert [point["epoch"] for point in watched.curve] == list(range(1, len(looks) + 1))
    assert looks.index(max(looks)) == len(looks) - 3
    assert watched.curve[-1]["loss"] < watched.curve[0]["loss"]
    questions = sample_questions(data, 2000, seed=3)
    assert measure_ndcg(watched, questions, data) == pytest.approx(max(looks))


def test_a_seed_decides_everything(circle):
    requests = [Request(example.history) for example in circle[0].examples("test")][:4]
    short = {"epochs": 1, "dropout": 0.2}
    state = torch.random.get_rng_state()
    one, two = (fit(circle, **short).rank_many(requests, 4) for _ in range(2))
    assert one == two
    assert torch.equal(state, torch.random.get_rng_state())
    config = TigerConfig(**{**TINY, **short})
    assert Tiger.fit(*circle, seed=4, config=config).rank_many(requests, 4) != one


def test_long_histories_are_cut_and_strange_items_passed_over(circle, tiger):
    events = tuple(Event("u", f"i{step % 8}", step) for step in range(40))
    strange = (*events, Event("u", "nowhere", 99))
    cut = replace(tiger, config=tiger.config.model_copy(update={"max_items": 3}))
    answers = [
        cut.rank_many([Request(History("u", part), filter_seen=False)], 8)
        for part in (events, events[-3:], strange)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_a_table_without_an_item_is_refused(circle):
    data, table = circle
    smaller = replace(table, item_ids=table.item_ids[1:], codes=table.codes[1:])
    with pytest.raises(DataError, match="not in the table"):
        Tiger.fit(data, smaller, config=TigerConfig(**TINY))


def test_the_published_recipe_is_a_valid_one():
    assert TigerConfig(**PUBLISHED).num_layers == 6
