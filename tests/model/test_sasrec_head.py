"""The SASRec head: what it reads, what it learns, how it is kept."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.errors import ArtifactError
from genrec.model.base import SETTINGS_FILE, save_sasrec_head
from genrec.model.item_features import NO_ROW, ItemFeatures, pad_histories
from genrec.model.load import load_sasrec_head
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, Terms, newest
from genrec.model.sasrec_training import Recipe, choose_terms, fit_sasrec_head, sasrec_head_ndcg

SMALL = SasRecHeadConfig(hidden_size=16, dropout=0.0, max_events=6)
CODES = torch.tensor([[row % 4, row // 4 % 4] for row in range(9)])
TEXT = torch.nn.functional.normalize(torch.randn(9, 7, generator=torch.Generator().manual_seed(1)))
TEXT[8] = 0
ITEMS = ItemFeatures(torch.arange(9), torch.ones(9, dtype=torch.bool), CODES, TEXT)


@pytest.fixture
def head():
    torch.manual_seed(0)
    return SasRecHead(9, torch.randn(2, 4, 5), 7, SMALL).eval()


@torch.no_grad()
def vectors_of(head, items=ITEMS):
    return head.vectors(items)


@torch.no_grad()
def score(head, histories, items=ITEMS):
    asked = histories if isinstance(histories, torch.Tensor) else pad_histories(histories)
    return head(asked, items, head.vectors(items))


def test_a_score_depends_on_the_history_and_its_order_but_not_on_padding(head):
    alone = score(head, [[1, 2, 3]])
    padded = score(head, torch.tensor([[1, 2, 3, NO_ROW, NO_ROW], [4, 5, 6, 7, 8]]))
    torch.testing.assert_close(padded[:1], alone)
    assert (score(head, [[3, 2, 1]]) - alone).abs().max() > 1e-3


def test_only_the_newest_events_are_read(head):
    long = torch.tensor([[8, 7, 0, 1, 2, 3, 4, 5], [1, 2, NO_ROW] + [NO_ROW] * 5])
    torch.testing.assert_close(score(head, long)[0], score(head, long[:1, 2:])[0])
    torch.testing.assert_close(score(head, long)[1], score(head, long[1:, :2])[0])
    assert newest(long, 3).tolist() == [[3, 4, 5], [1, 2, NO_ROW]]


def test_a_user_without_events_likes_everything_equally(head):
    head.terms = Terms(likeness=5.0)
    logits = score(head, [[]])
    assert logits.shape == (1, 9) and (logits == 0).all()


def test_a_new_item_stands_where_its_codes_and_its_text_put_it(head):
    """An item that came later has no vector of its own; one without text has none of text."""
    vectors = vectors_of(head)
    without = vectors_of(head, ITEMS.without(torch.tensor([3, 8])))
    with torch.no_grad():
        of_codes = sum(
            head.projection(head.centroids[level, code]) for level, code in enumerate(CODES[3])
        )
        torch.testing.assert_close(without[3], of_codes + head.text_network(TEXT[3]))
        torch.testing.assert_close(vectors[3] - without[3], head.item_embedding.weight[3])
        of_codes = sum(
            head.projection(head.centroids[level, code]) for level, code in enumerate(CODES[8])
        )
        torch.testing.assert_close(without[8], of_codes)


def test_own_vectors_are_dropped_in_training_only_and_only_where_there_is_text(head):
    dropping = SasRecHead(9, head.centroids, 7, SMALL.model_copy(update={"id_dropout": 0.99}))
    torch.manual_seed(0)
    looks = dropping.train().vectors(ITEMS[torch.zeros(1000, dtype=torch.int64)])
    dropped = (looks - vectors_of(dropping.eval())[0]).abs().amax(dim=1) > 1e-6
    assert 0.97 < dropped.float().mean() < 1
    plain = SasRecHead(9, torch.zeros(0, 1, 1), 0, dropping.config).train()
    bare = ItemFeatures.plain(9)
    torch.testing.assert_close(plain.vectors(bare), plain.item_embedding.weight)


def test_the_likeness_of_texts_is_the_mean_cosine_with_the_last_five_events(head):
    asked = pad_histories([[0, 1, 2, 3, 4, 5], [6, 8], []])
    found = head.score_parts(asked, ITEMS, vectors_of(head)).likeness
    expected = torch.stack(
        [(TEXT[1:6] @ TEXT.T).mean(dim=0), (TEXT[6] @ TEXT.T) / 2, torch.zeros(9)]
    )
    torch.testing.assert_close(found, expected)


def test_terms_are_added_as_they_say(head):
    choose_terms(head, [[1, 2], [2, 4]] * 3, [], ITEMS)
    asked = pad_histories([[1, 2], [3]])
    with torch.no_grad():
        parts = head.score_parts(asked, ITEMS, head.vectors(ITEMS))
    head.terms = Terms(transitions=2.0, likeness=3.0)
    expected = parts.logits + 2 * parts.transitions + 3 * parts.likeness
    torch.testing.assert_close(score(head, asked, ITEMS), expected)


def test_a_new_item_has_the_transitions_of_its_lookalikes(head):
    """A copy has those of its original, the less like it the fewer; without text it has none."""
    choose_terms(head, [[1, 2], [2, 4]] * 3, [], ITEMS)
    near = torch.nn.functional.normalize(TEXT[2] + 0.5 * TEXT[3], dim=0)
    text = torch.cat([TEXT, torch.stack([TEXT[2], near, torch.zeros(7)])])
    trained = torch.cat([torch.arange(9), torch.full((3,), NO_ROW)])
    items = ItemFeatures(trained, trained != NO_ROW, torch.cat([CODES, CODES[:3]]), text)
    with torch.no_grad():
        found = head.score_parts(pad_histories([[1], [3]]), items, head.vectors(items)).transitions
    assert found[0, 9] > 0.9 * found[0, 2] > found[0, 10] > 0
    assert found[0, 11] == 0 and (found[1] == 0).all()
    # Each weighs as much as its text is like that of the new item, summed up by hand.
    likeness = (TEXT @ near).tolist()
    loud = [math.exp(20 * value) for value in likeness]
    expected = sum(
        part / sum(loud) * max(value, 0) * float(found[0, row])
        for row, (part, value) in enumerate(zip(loud, likeness, strict=True))
    )
    assert float(found[0, 10]) == pytest.approx(expected, rel=1e-4)


def test_an_item_met_of_late_is_read_by_its_text_and_keeps_its_counts(head):
    choose_terms(head, [[1, 2], [2, 4]] * 3, [], ITEMS)
    known = torch.tensor([True, True, False, False, False, True, True, True, True])
    items = replace(ITEMS, known=known).without(torch.tensor([3]))
    unmet = items.without(torch.tensor([2, 3, 4]))
    vectors = vectors_of(head, items)
    torch.testing.assert_close(vectors, vectors_of(head, unmet))
    assert not torch.allclose(vectors[2], vectors_of(head, ITEMS)[2])
    with torch.no_grad():
        asked = pad_histories([[1], [2]])
        own, less, full = (
            head.score_parts(asked, each, vectors).transitions for each in (items, unmet, ITEMS)
        )
    # What lookalikes were taken after joins its own counts.
    assert less[0, 2] >= 0 and full[0, 2] > 0
    assert float(own[0, 2]) == pytest.approx(float(less[0, 2] + full[0, 2]), rel=1e-4)
    assert own[1, 4] >= full[1, 4] > 0


def test_it_learns_a_cycle_and_stops_at_its_best():
    """Item n is always followed by n + 1: after training the next one ranks first."""
    generator = np.random.default_rng(0)
    starts = generator.integers(12, size=200)
    histories = [[(start + step) % 12 for step in range(5)] for start in starts]
    questions = [([(n + step) % 12 for step in range(3)], (n + 3) % 12) for n in range(12)]
    codes = torch.tensor([[row % 4, row // 4] for row in range(12)])
    items = replace(ItemFeatures.plain(12), codes=codes)
    config = SasRecHeadConfig(
        hidden_size=32, dropout=0.0, learning_rate=0.01, epochs=20, batch_size=32, num_negatives=8
    )
    recipe = Recipe(generator.standard_normal((2, 4, 6)), config, seed=0)
    head, curve = fit_sasrec_head(histories, questions, items, recipe)
    assert sasrec_head_ndcg(head, items, questions) > 0.95
    assert max(look["ndcg@10"] for look in curve) == pytest.approx(
        sasrec_head_ndcg(head, items, questions)
    )
    assert curve[-1]["loss"] < curve[0]["loss"]
    again, _ = fit_sasrec_head(histories, questions, items, recipe)
    assert all(
        torch.equal(a, b) for a, b in zip(head.parameters(), again.parameters(), strict=True)
    )


def test_histories_of_one_event_teach_nothing_and_break_nothing():
    items = replace(ItemFeatures.plain(3), codes=torch.tensor([[0, 0], [0, 1], [1, 0]]))
    config = SasRecHeadConfig(hidden_size=8, epochs=2, every_epochs=1)
    recipe = Recipe(np.ones((2, 2, 3)), config, seed=0)
    head, curve = fit_sasrec_head([[0], []], [([0], 1)], items, recipe)
    assert [look["loss"] for look in curve] == [0, 0]
    assert vectors_of(head, items).isfinite().all()


def test_counts_join_where_they_help(head):
    """What follows an item is a matter of chance for the untrained head, and of counts."""
    items = replace(ITEMS, text=torch.zeros(9, 7))
    histories = [[row, (row + 4) % 9] for row in range(9)] * 3
    questions = [([row], (row + 4) % 9) for row in range(9)]
    blind = sasrec_head_ndcg(head, items, questions)
    choose_terms(head, histories, questions, items)
    assert head.terms.transitions > 0
    assert sasrec_head_ndcg(head, items, questions) == 1 > blind
    misled = [([row], (row + 5) % 9) for row in range(9)]
    choose_terms(head, histories, misled, items)
    assert head.terms.transitions == 0


def test_texts_join_where_they_help(head):
    """People take what reads like what they took, which nothing else can tell."""
    pairs = torch.eye(7)[[0, 1, 2, 3, 0, 1, 2, 3, 4]]
    items = replace(ITEMS, text=pairs)
    questions = [([row], (row + 4) % 8) for row in range(8)]
    choose_terms(head, [[8]], questions, items)
    assert head.terms.likeness > 0
    assert sasrec_head_ndcg(head, items, questions) == 1


def test_a_new_item_neither_votes_nor_gets_votes(head):
    choose_terms(head, [[1, 2]] * 5, [], ITEMS)
    head.terms = Terms(transitions=2.0)
    items = ITEMS.without(torch.tensor([2]))
    asked = [[1], [1, 2]]
    counted, known = score(head, asked, items), score(head, asked)
    head.terms = Terms()
    torch.testing.assert_close(counted, score(head, asked, items))
    assert known[0, 2] > score(head, asked)[0, 2]


def test_ndcg_is_that_of_ranks_by_hand(head):
    questions = [([1, 2], 5), ([4], 0), ([7, 8, 6], 3)]
    gains = []
    for history, target in questions:
        scores = score(head, [history])[0].tolist()
        others = [row for row in range(9) if row not in history]
        rank = sorted(others, key=lambda row: -scores[row]).index(target) + 1
        gains.append(1 / np.log2(rank + 1) if rank <= 10 else 0)
    assert sasrec_head_ndcg(head, ITEMS, questions) == pytest.approx(np.mean(gains))


@pytest.mark.parametrize("counted", [False, True])
def test_it_comes_back_as_it_was_saved(head, tmp_path, counted):
    assert load_sasrec_head(tmp_path) is None
    head.weight, head.terms, head.new_item_boost = 0.4, Terms(likeness=2.0), 1.5
    if counted:
        choose_terms(head, [[1, 2, 3], [2, 4]], [], ITEMS)
    save_sasrec_head(head, tmp_path)
    back = load_sasrec_head(tmp_path)
    assert (back.weight, back.config, back.training) == (0.4, SMALL, False)
    assert (back.terms, back.new_item_boost) == (head.terms, 1.5)
    torch.testing.assert_close(score(back, [[1, 2]]), score(head, [[1, 2]]))
    described = json.loads((tmp_path / SETTINGS_FILE).read_text())
    described["terms"]["new_item_boost"] = 5 * described.pop("new_item_boost")
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(described))
    earlier = load_sasrec_head(tmp_path)
    assert (earlier.terms, earlier.new_item_boost) == (head.terms, pytest.approx(0.4 * 7.5))
    (tmp_path / SETTINGS_FILE).write_text("{}")
    with pytest.raises(ArtifactError, match="damaged"):
        load_sasrec_head(tmp_path)
