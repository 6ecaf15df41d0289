import numpy as np
import pytest
from scipy.sparse import csr_array

from genrec.data import Interactions
from genrec.semantic_ids.behaviour import behaviour_vectors, cooccurrences, ppmi, propagate
from genrec.semantic_ids.config import BehaviourConfig

DAY = 86_400


def interactions(histories, num_items, days=1):
    return Interactions(
        user_index=np.array([u for u, h in enumerate(histories) for _ in h], dtype=np.int64),
        item_index=np.array([i for h in histories for i in h], dtype=np.int64),
        timestamp=np.array([n * days * DAY for h in histories for n in range(len(h))], np.int64),
        num_users=len(histories),
        num_items=num_items,
    )


def test_pairs_fade_with_distance_and_time():
    config = BehaviourConfig(window=2, half_life_days=10)
    pairs = cooccurrences(interactions([[0, 1, 2]], 3, days=10), config).toarray()
    expected = np.array([[0, 0.5, 0.125], [0.5, 0, 0.5], [0.125, 0.5, 0]])
    assert np.allclose(pairs, expected)


def test_users_do_not_mix_and_repeats_do_not_count():
    config = BehaviourConfig(window=5)
    pairs = cooccurrences(interactions([[0, 0], [1], [2, 3]], 4), config).toarray()
    assert pairs[0].sum() == pairs[1].sum() == 0
    assert pairs[2, 3] == pairs[3, 2] > 0


def test_information_is_positive_and_higher_for_faithful_pairs():
    config = BehaviourConfig(shift=0)
    histories = [[0, 1]] * 8 + [[2, 0], [2, 3], [2, 4], [2, 5]] * 2
    information = ppmi(cooccurrences(interactions(histories, 6), config), config)
    assert (information.data > 0).all()
    assert information[0, 1] > information[0, 2]


def test_items_met_together_are_near():
    histories = [[n, n + 1, n + 2, n + 3] for n in (0, 4, 8, 12)] * 5
    vectors = behaviour_vectors(interactions(histories, 17), BehaviourConfig(), seed=0)
    similarity = vectors @ vectors.T
    assert similarity[0, 2] > 0.9
    assert abs(similarity[0, 5]) < 0.1
    assert not vectors[16].any()


@pytest.mark.parametrize("histories", [[], [[0]], [[0], [1]], [[1, 1]]])
def test_nothing_met_together_gives_zeros(histories):
    vectors = behaviour_vectors(interactions(histories, 3), BehaviourConfig(), seed=0)
    assert len(vectors) == 3
    assert not vectors.any()


def test_propagation_is_the_mean_of_layers_over_the_normalized_graph():
    rng = np.random.default_rng(0)
    weights = np.triu(rng.random((6, 6)) * (rng.random((6, 6)) < 0.6), 1)
    weights[:, 5] = 0
    weights = weights + weights.T
    vectors = rng.standard_normal((6, 3))
    degrees = weights.sum(axis=1)
    roots = np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1)), 0)
    step = roots[:, None] * weights * roots
    mean = sum(np.linalg.matrix_power(step, n) @ vectors for n in range(4)) / 4
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    found = propagate(csr_array(weights), vectors, layers=3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_propagation_draws_kinds_apart_and_leaves_strangers_without_a_vector():
    histories = [[n, n + 1, n + 2, n + 3] for n in (0, 4, 8, 12)] * 5 + [[0, 4]]
    config = BehaviourConfig(method="propagation", layers=2)
    vectors = behaviour_vectors(interactions(histories, 17), config, seed=0)
    similarity = vectors @ vectors.T
    assert similarity[0, 2] > 0.9 > 0.3 > similarity[0, 9]
    assert not vectors[16].any()


@pytest.mark.parametrize("histories", [[], [[0]], [[1, 1]]])
def test_propagation_of_nothing_is_zeros(histories):
    config = BehaviourConfig(method="propagation")
    assert not behaviour_vectors(interactions(histories, 3), config, seed=0).any()
