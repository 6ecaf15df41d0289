"""Which scorer brought an item, and by how much: held against the scorers asked alone."""

import numpy as np
import pytest

from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.model.item_features import ItemFeatures
from genrec.model.load import load_run
from genrec.model.sasrec_head import Terms
from genrec.model.sasrec_training import count_into
from genrec.recommender import Recommender
from genrec.schema import Request
from genrec.semantic_ids.row_scores import RowScores

WEIGHT = 0.4
EXCLUDED = (3, 8)
COUNTED = [[0, 1, 2], [4, 5, 6, 0], [2, 3]]


@pytest.fixture(scope="module")
def run(shop_run):
    run = load_run(shop_run)
    count_into(run.sasrec_head, COUNTED, ItemFeatures.of(run.table))
    return run


@pytest.fixture
def ask(run, shop):
    """Return a function that asks an engine with a head of some weight and terms."""
    prompts = run.encoder.prompts([Request(h) for h in list(shop.data.histories("test"))[:3]])

    def answers(weight, terms, **options):
        run.sasrec_head.weight, run.sasrec_head.terms = weight, terms
        queries = [ItemQuery(prompt, EXCLUDED, **options) for prompt in prompts]
        return TorchEngine(run, num_beams=len(run.table)).items(queries, len(run.table))

    return answers


def by_row(found, values):
    return dict(zip(found.rows.tolist(), values.tolist(), strict=True))


TERMS = Terms(transitions=3.0, likeness=2.0, wish=0.5)
WISHED = RowScores(np.array([1, 5]), np.array([2.0, 1.0], dtype=np.float32))


def test_parts_are_what_each_scorer_says_alone(ask, run):
    """The head's terms add up to what it says alone, but for what is the same for all items."""
    alone, head = ask(0.0, Terms()), ask(1.0, TERMS, matches=WISHED)
    for lm, sasrec, fused in zip(alone, head, ask(WEIGHT, TERMS, matches=WISHED), strict=True):
        assert set(fused.parts) == {"language model", "SASRec", "transitions", "text", "wish"}
        allowed = len(run.table) - len(EXCLUDED)
        assert len(fused.rows) == allowed
        lm_scores, own = by_row(lm, lm.scores), by_row(fused, fused.parts["language model"])
        expected = {
            row: (1 - WEIGHT) * (score + np.log(allowed)) for row, score in lm_scores.items()
        }
        assert own == pytest.approx(expected, abs=1e-4)
        terms = sum(nats for name, nats in fused.parts.items() if name != "language model")
        said = by_row(sasrec, sasrec.scores)
        rest = [nats - WEIGHT * said[row] for row, nats in by_row(fused, terms).items()]
        assert rest == pytest.approx([rest[0]] * len(rest), abs=1e-4)


def test_the_model_alone_adds_all_there_is(ask, run):
    (found, *_) = ask(0.0, Terms())
    expected = found.scores + np.log(len(run.table) - len(EXCLUDED))
    np.testing.assert_allclose(found.parts["language model"], expected, atol=1e-5)


def test_a_preference_is_a_part_of_its_own(ask, run):
    prefix = tuple(run.table.codes[0][:1].tolist())
    (found, *_) = ask(WEIGHT, TERMS, prefix_bias={prefix: 1.5})
    inside = run.table.codes[found.rows, 0] == prefix[0]
    assert set(found.parts["preferences"][inside]) == {1.5}
    assert not found.parts["preferences"][~inside].any()


@pytest.fixture(scope="module")
def fused(shop_run):
    return Recommender.from_pretrained(shop_run, "cpu", num_beams=18, sasrec_weight=WEIGHT)


def test_a_person_reads_who_brought_an_item(fused):
    found = fused.recommend("u1", k=5)
    for item in found:
        assert item.brought_by == max(item.parts, key=item.parts.get)
        assert item.draw is None and item.placed_by is None
    wanted = fused.recommend("u1", k=5, filter_seen=False)[4].item_id
    pinned, *others = fused.recommend(
        "u1",
        k=5,
        filter_seen=False,
        rules=[{"pin": [wanted]}, {"boost": {"brand": "Acme"}, "by": 50}],
    )
    assert (pinned.item_id, pinned.brought_by) == (wanted, "rule")
    brands = {item.item_id: item.brand for item in fused.items}
    acme = [item for item in others if brands[item.item_id] == "Acme"]
    assert acme and {item.brought_by for item in acme} == {"rule"}
    assert all(item.parts["rule"] == 50 for item in acme)
