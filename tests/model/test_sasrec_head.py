"""The SASRec head: what it reads, what it learns, how it is kept."""

import numpy as np
import pytest
import torch

from genrec.errors import ArtifactError
from genrec.model.sasrec_head import (
    NO_ROW,
    SETTINGS_FILE,
    SasRecHead,
    SasRecHeadConfig,
    load_sasrec_head,
    newest,
    pad_histories,
    save_sasrec_head,
)
from genrec.model.sasrec_training import add_transitions, fit_sasrec_head, sasrec_head_ndcg

SMALL = SasRecHeadConfig(hidden_size=16, dropout=0.0, max_events=6)


@pytest.fixture
def head():
    torch.manual_seed(0)
    centroids = torch.randn(2, 4, 5)
    return SasRecHead(9, centroids, SMALL).eval()


def vectors_of(head, codes):
    with torch.no_grad():
        return head.vectors(torch.arange(len(codes)), torch.as_tensor(codes))


CODES = np.array([[row % 4, row // 4 % 4] for row in range(9)])
ROWS = torch.arange(len(CODES))


def test_a_score_depends_on_the_history_and_its_order_but_not_on_padding(head):
    vectors = vectors_of(head, CODES)
    with torch.no_grad():
        alone = head(torch.tensor([[1, 2, 3]]), vectors, ROWS)
        padded = head(torch.tensor([[1, 2, 3, NO_ROW, NO_ROW], [4, 5, 6, 7, 8]]), vectors, ROWS)
        turned = head(torch.tensor([[3, 2, 1]]), vectors, ROWS)
    torch.testing.assert_close(padded[:1], alone)
    assert (turned - alone).abs().max() > 1e-3


def test_only_the_newest_events_are_read(head):
    vectors = vectors_of(head, CODES)
    long = torch.tensor([[8, 7, 0, 1, 2, 3, 4, 5], [1, 2, NO_ROW] + [NO_ROW] * 5])
    with torch.no_grad():
        torch.testing.assert_close(
            head(long, vectors, ROWS)[0], head(long[:1, 2:], vectors, ROWS)[0]
        )
        torch.testing.assert_close(
            head(long, vectors, ROWS)[1], head(long[1:, :2], vectors, ROWS)[0]
        )
    assert newest(long, 3).tolist() == [[3, 4, 5], [1, 2, NO_ROW]]


def test_a_user_without_events_likes_everything_equally(head):
    with torch.no_grad():
        logits = head(pad_histories([[]]), vectors_of(head, CODES), ROWS)
    assert logits.shape == (1, 9) and (logits == 0).all()


def test_a_new_item_stands_where_its_codes_are(head):
    """An item that came later has no vector of its own, only those of its codes."""
    rows, codes = torch.tensor([3, NO_ROW]), torch.tensor([CODES[3], CODES[3]])
    with torch.no_grad():
        known, new = head.vectors(rows, codes)
        expected = sum(
            head.projection(head.centroids[level, code]) for level, code in enumerate(CODES[3])
        )
        torch.testing.assert_close(new, expected)
        torch.testing.assert_close(known - new, head.item_embedding.weight[3])


def test_it_learns_a_cycle_and_stops_at_its_best():
    """Item n is always followed by n + 1: after training the next one ranks first."""
    generator = np.random.default_rng(0)
    starts = generator.integers(12, size=200)
    histories = [[(start + step) % 12 for step in range(5)] for start in starts]
    questions = [([(n + step) % 12 for step in range(3)], (n + 3) % 12) for n in range(12)]
    codes = np.stack([np.arange(12) % 4, np.arange(12) // 4], axis=1)
    centroids = generator.standard_normal((2, 4, 6))
    config = SasRecHeadConfig(
        hidden_size=32, dropout=0.0, learning_rate=0.01, epochs=20, batch_size=32, num_negatives=8
    )
    head, curve = fit_sasrec_head(histories, questions, codes, centroids, config, seed=0)
    assert sasrec_head_ndcg(head, codes, questions) > 0.95
    assert max(look["ndcg@10"] for look in curve) == pytest.approx(
        sasrec_head_ndcg(head, codes, questions)
    )
    assert curve[-1]["loss"] < curve[0]["loss"]
    again, _ = fit_sasrec_head(histories, questions, codes, centroids, config, seed=0)
    assert all(
        torch.equal(a, b) for a, b in zip(head.parameters(), again.parameters(), strict=True)
    )


def test_histories_of_one_event_teach_nothing_and_break_nothing():
    codes = np.array([[0, 0], [0, 1], [1, 0]])
    config = SasRecHeadConfig(hidden_size=8, epochs=2, every_epochs=1)
    head, curve = fit_sasrec_head([[0], []], [([0], 1)], codes, np.ones((2, 2, 3)), config, seed=0)
    assert [look["loss"] for look in curve] == [0, 0]
    assert vectors_of(head, codes).isfinite().all()


def test_counts_join_where_they_help(head):
    """What follows an item is a matter of chance for the untrained head, and of counts."""
    histories = [[row, (row + 4) % 9] for row in range(9)] * 3
    questions = [([row], (row + 4) % 9) for row in range(9)]
    blind = sasrec_head_ndcg(head, CODES, questions)
    add_transitions(head, histories, questions, CODES)
    assert head.transitions_weight > 0
    assert sasrec_head_ndcg(head, CODES, questions) == 1 > blind
    misled = [([row], (row + 5) % 9) for row in range(9)]
    add_transitions(head, histories, misled, CODES)
    assert head.transitions_weight == 0


def test_a_new_item_neither_votes_nor_gets_votes(head):
    add_transitions(head, [[1, 2]] * 5, [], CODES)
    vectors, known = vectors_of(head, CODES), ROWS.clone()
    known[2] = NO_ROW
    with torch.no_grad():
        all_known = head(torch.tensor([[1]]), vectors, ROWS)[0]
        without = head(torch.tensor([[1], [2]]), vectors, known)
        head.transitions_weight = 0.0
        torch.testing.assert_close(without, head(torch.tensor([[1], [2]]), vectors, known))
    assert all_known[2] > without[0, 2]


def test_ndcg_is_that_of_ranks_by_hand(head):
    vectors = vectors_of(head, CODES)
    questions = [([1, 2], 5), ([4], 0), ([7, 8, 6], 3)]
    gains = []
    for history, target in questions:
        with torch.no_grad():
            scores = head(torch.tensor([history]), vectors, ROWS)[0].tolist()
        others = [row for row in range(9) if row not in history]
        rank = sorted(others, key=lambda row: -scores[row]).index(target) + 1
        gains.append(1 / np.log2(rank + 1) if rank <= 10 else 0)
    assert sasrec_head_ndcg(head, CODES, questions) == pytest.approx(np.mean(gains))


@pytest.mark.parametrize("counted", [False, True])
def test_it_comes_back_as_it_was_saved(head, tmp_path, counted):
    assert load_sasrec_head(tmp_path) is None
    asked = torch.tensor([[1, 2]])
    head.weight = 0.4
    if counted:
        add_transitions(head, [[1, 2, 3], [2, 4]], [], CODES)
    save_sasrec_head(head, tmp_path)
    back = load_sasrec_head(tmp_path)
    assert (back.weight, back.config, back.training) == (0.4, SMALL, False)
    assert back.transitions_weight == head.transitions_weight
    with torch.no_grad():
        torch.testing.assert_close(
            back(asked, vectors_of(back, CODES), ROWS), head(asked, vectors_of(head, CODES), ROWS)
        )
    (tmp_path / SETTINGS_FILE).write_text("{}")
    with pytest.raises(ArtifactError, match="damaged"):
        load_sasrec_head(tmp_path)
