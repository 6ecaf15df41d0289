"""How the fusion is chosen: planted scorers, ranks by brute force, and judgements of a real run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.metrics import ndcg_of_ranks
from genrec.model.load import load_run
from genrec.model.sasrec_head import Terms
from genrec.semantic_ids.row_scores import RowScores
from genrec.training.fusion import Found, best_fusion, draw_questions, find_and_judge
from genrec.training.validation import draw, list_questions, split_users

NAMES = ("lm", "logits", "transitions", "likeness")
RIGHT_WHEN = {
    "lm": lambda weight, terms: weight < 0.5,
    "logits": lambda weight, terms: weight > 0.5,
    "transitions": lambda weight, terms: weight * terms.transitions > 1,
    "likeness": lambda weight, terms: weight * terms.likeness > 1,
}


def planted(knowing: str, users: int = 200, items: int = 20) -> Found:
    """Scorers that know nothing but one, which puts the target first."""
    draw = np.random.default_rng(0)
    is_target = np.eye(items, dtype=bool)[draw.integers(items, size=users)]
    scores = {name: draw.normal(size=is_target.shape) for name in NAMES}
    scores[knowing] += 6 * is_target
    rows = np.tile(np.arange(items), (users, 1))
    nothing = np.zeros(is_target.shape)
    return Found(rows, **scores, matches=nothing, popularity=nothing, is_target=is_target)


@pytest.mark.parametrize("knowing", NAMES)
def test_the_scorer_that_knows_gets_its_say(knowing):
    found = planted(knowing)
    weight, terms = best_fusion(found, [0.0, 1.0, 4.0, 12.0])
    assert RIGHT_WHEN[knowing](weight, terms)
    assert found.ndcg(weight, terms) > 0.95


def test_ranks_are_those_of_sorting():
    found = planted("lm")
    found.is_target[::7] = False  # users whose target was not found
    weight, terms = 0.3, Terms(2.0, 4.0)
    ranks = []
    for user, is_target in enumerate(found.is_target):
        total = 0.7 * found.lm[user] + 0.3 * (
            found.logits[user] + 2 * found.transitions[user] + 4 * found.likeness[user]
        )
        order = list(np.argsort(-total))
        ranks.append(order.index(int(is_target.argmax())) + 1 if is_target.any() else 0)
    expected = ndcg_of_ranks(np.array(ranks), 10).mean()
    assert found.ndcg(weight, terms) == pytest.approx(expected)


def test_found_items_are_judged_as_each_scorer_alone_does(chain):
    run, data = load_run(chain.pretrain), Dataset.load(chain.data)
    questions = draw(list_questions(data), 30, seed=0)
    head = run.sasrec_head
    found = find_and_judge(run, questions, torch.device("cpu"))
    requests = [request for request, _ in questions]
    queries = [
        ItemQuery(prompt, run.table.rows_of(request.forbidden))
        for prompt, request in zip(run.encoder.prompts(requests), requests, strict=True)
    ]
    everything = [list(range(len(run.table)))] * len(queries)
    lm = TorchEngine(replace(run, sasrec_head=None)).item_scores(queries, everything)
    head.weight, head.terms = 1.0, Terms(2.0, 4.0)
    by_head = TorchEngine(run).item_scores(queries, everything)
    joined = found.logits + 2 * found.transitions + 4 * found.likeness
    assert found.is_target.any(axis=1).mean() > 0.3
    for user, (_, target) in enumerate(questions):
        row = run.table.index_of(target)
        assert (found.is_target[user] == (found.rows[user] == row)).all()
        for place in np.flatnonzero(found.is_target[user]):
            assert found.lm[user, place] == pytest.approx(lm[user][row], abs=1e-4)
        # Differences, for the head's logits are normalised over the catalogue only in the engine.
        real = np.isfinite(found.lm[user])
        best = np.argsort(-joined[user][real])
        scores = np.sort(by_head[user])[::-1]
        top = joined[user][real][best][:5]
        np.testing.assert_allclose(top - top[0], scores[:5] - scores[0], atol=1e-3)


def test_what_matches_a_wish_counts_once(chain):
    run, data = load_run(chain.pretrain), Dataset.load(chain.data)
    questions = draw(list_questions(data), 10, seed=0)
    rows = np.arange(len(run.table))
    matches = RowScores(rows, np.linspace(1, 9, len(rows), dtype=np.float32))
    told = find_and_judge(run, questions, torch.device("cpu"), [matches] * len(questions))
    plain = find_and_judge(run, questions, torch.device("cpu"))
    for user in np.flatnonzero(told.is_target.any(axis=1) & plain.is_target.any(axis=1)):
        [with_it], [without] = (each.lm[user][each.is_target[user]] for each in (told, plain))
        assert with_it == pytest.approx(without, abs=1e-4)
    assert told.matches.max() > 0 and not plain.matches.any()


def test_what_is_popular_is_judged_as_an_engine_hears_it(chain):
    run, data = load_run(chain.pretrain), Dataset.load(chain.data)
    questions = draw(list_questions(data), 10, seed=0)
    chance, rows = np.random.default_rng(0), np.arange(0, 40, 2)
    popular = [RowScores(rows, chance.uniform(0.1, 4, 20).astype(np.float32)) for _ in questions]
    run.sasrec_head.weight, run.sasrec_head.terms = 1.0, Terms(2.0, 4.0, popularity=1.5)
    found = find_and_judge(run, questions, torch.device("cpu"), popularity=popular)
    prompts = run.encoder.prompts([request for request, _ in questions])
    queries = [
        ItemQuery(prompt, popularity=told) for prompt, told in zip(prompts, popular, strict=True)
    ]
    asked = [
        row[real].tolist() for row, real in zip(found.rows, np.isfinite(found.lm), strict=True)
    ]
    by_head = TorchEngine(run).item_scores(queries, asked)
    joined = found.logits + 2 * found.transitions + 4 * found.likeness + 1.5 * found.popularity
    for user, engine in enumerate(by_head):
        real = np.isfinite(found.lm[user])
        apart = joined[user][real] - engine  # what the engine normalises by
        np.testing.assert_allclose(apart, apart[0], atol=1e-3)
        assert 5 < np.count_nonzero(found.popularity[user][real]) < len(engine)


def test_users_whose_looks_stopped_the_training_are_not_asked_again(chain):
    data = Dataset.load(chain.data)

    def users(questions):
        return {request.history.user_id for request, _ in questions}

    everybody = users(list_questions(data))
    asked = users(draw_questions(data, 10, seed=0))
    assert len(asked) == 40 and not asked & users(
        split_users(list_questions(data), 10, 4, seed=0)[0]
    )
    # With too few others, everybody is.
    assert users(draw_questions(data, len(everybody) - 1, seed=0)) == everybody
