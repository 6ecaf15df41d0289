"""The SASRec head by factors, as an engine reads it: the same as the head's own logits."""

import numpy as np
import pytest
import torch

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.engines.base import ItemQuery
from genrec.engines.policy import SasRecFusion
from genrec.model.item_features import ItemFeatures, pad_histories
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, Terms
from genrec.model.sasrec_training import choose_terms
from genrec.semantic_ids.row_scores import RowScores
from genrec.semantic_ids.table import NEVER, OF_LATE, WELL, SemanticIdTable

OPENING, TRAINED, ALL = 50, 9, 13
CODES = np.array([[row % 4, (row * 7) % 13] for row in range(ALL)])
TEXT = np.random.default_rng(1).normal(size=(ALL, 6)).astype(np.float32)
TEXT /= np.linalg.norm(TEXT, axis=1, keepdims=True)
TEXT[3] = 0  # an item without words
HISTORIES = [[], [1], [12, 3, 2, 4, 4, 1, 0, 2], [9, 10], [5, 6, 7]]


def table_of(count, text):
    met = None
    if count == TRAINED:
        met = np.full(count, WELL)
        met[[2, 4, 5]] = [OF_LATE, OF_LATE, NEVER]
    names = [f"i{row}" for row in range(count)]
    return SemanticIdTable(
        item_ids=names,
        codes=CODES[:count],
        codebook_size=13,
        centroids=np.zeros((2, 13, 5), dtype=np.float32),
        names={},
        text_vectors=TEXT[:count] if text else None,
        met=met,
    )


@pytest.mark.parametrize(
    ("terms", "text", "boost"),
    [
        (Terms(), True, 0.0),
        (Terms(transitions=1.5, likeness=3.0, wish=0.5), True, 0.7),
        (Terms(transitions=1.5), False, 0.0),
        (Terms(wish=0.0, popularity=2.5), True, -1.0),
    ],
)
@torch.inference_mode()
def test_scores_by_factors_are_the_heads_logits(terms, text, boost):
    torch.manual_seed(0)
    config = SasRecHeadConfig(hidden_size=16, dropout=0.0, max_events=6)
    head = SasRecHead(TRAINED, torch.randn(2, 13, 5), 6 if text else 0, config).eval()
    known, table = table_of(TRAINED, text), table_of(ALL, text)
    choose_terms(head, [[1, 2, 4], [2, 4, 6], [4, 0]] * 2, [], ItemFeatures.of(known))
    head.terms, head.weight, head.new_item_boost = terms, 0.5, boost
    trie = DeviceTrie.from_trie(Trie.build(table.codes + [1, 20]))
    prompts = torch.zeros(len(HISTORIES), 30, dtype=torch.int64)
    for prompt, history in zip(prompts, HISTORIES, strict=True):
        written = [(OPENING, *(CODES[row] + [1, 20])) for row in history]
        prompt[: 3 * len(history)] = torch.tensor(np.array(written, dtype=np.int64)).flatten()
    found = SasRecFusion(head, table, known, trie, OPENING).read(prompts)
    items = ItemFeatures.of(table, known)
    expected = head(pad_histories(HISTORIES), items, head.vectors(items))
    expected[:, items.unknown] += boost / head.weight  # its nats are those of the fused score
    by_leaf = found.of_leaves().block(0, ALL)[trie.place_of.long()].T
    torch.testing.assert_close(by_leaf, expected, rtol=1e-4, atol=1e-5)
    of_late = RowScores(np.array([1, 2]), np.array([0.5, 3.0]))
    asked = [
        ItemQuery(
            [], matches=RowScores(np.array([7, 2]), np.array([2.0, 1.0])), popularity=of_late
        ),
        ItemQuery([]),
    ]
    queries = [asked[row % 2] for row in range(len(HISTORIES))]
    heeded = found.heeding(queries, trie.place_of).of_leaves().block(0, ALL)[trie.place_of.long()].T
    expected[::2, 7] += 2 * terms.wish
    expected[::2, 2] += terms.wish + 3 * terms.popularity
    expected[::2, 1] += 0.5 * terms.popularity
    torch.testing.assert_close(heeded, expected, rtol=1e-4, atol=1e-5)
