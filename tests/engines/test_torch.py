"""What the engine in this process reads, and how often."""

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.model.load import load_run
from genrec.schema import Request


@pytest.fixture(scope="module")
def run(chain):
    return load_run(chain.pretrain)


@pytest.fixture(scope="module")
def prompts(chain, run):
    """Of different lengths, the first of them twice."""
    found = zip(range(4), Dataset.load(chain.data).histories("valid"), strict=False)
    prompts = run.encoder.prompts([Request(history) for _, history in found])
    return [prompts[0], *prompts]


@pytest.fixture
def read(run):
    """Shapes of all input that the model is given."""
    shapes = []
    layer = run.model.get_input_embeddings()
    hook = layer.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    yield shapes
    hook.remove()


def test_a_prompt_is_read_once_whatever_is_asked_of_it(run, prompts, read):
    engine = TorchEngine(run, num_beams=20)
    best = engine.items([ItemQuery(prompts[0])], 3)[0].rows.tolist()
    plain = [ItemQuery(prompt) for prompt in prompts]
    filtered = [ItemQuery(prompt, exclude=best) for prompt in prompts]
    read.clear()
    apart = [*engine.items(plain, 5), *engine.items(filtered, 5)]
    tokens_apart = sum(rows * width for rows, width in read)
    read.clear()
    together = engine.items([*plain, *filtered], 5)
    for found, expected in zip(together, apart, strict=True):
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert not set(best) & set(together[len(plain)].rows.tolist())
    # A row for each of the four prompts, though ten queries are answered, and beams that several
    # of them have in common are run once.
    shortest = min(map(len, prompts))
    assert sum(rows for rows, width in read if width >= shortest) == 4
    assert sum(rows * width for rows, width in read) < 0.7 * tokens_apart


def test_a_catalogue_too_large_for_many_rows_is_searched_row_by_row(
    run, prompts, read, monkeypatch
):
    engine = TorchEngine(run, num_beams=20)
    queries = [ItemQuery(prompt) for prompt in prompts]
    expected = engine.items(queries, 5)
    monkeypatch.setattr("genrec.engines.torch.BATCH_SCORES", 1)
    read.clear()
    for found, in_batch in zip(engine.items(queries, 5), expected, strict=True):
        np.testing.assert_array_equal(found.rows, in_batch.rows)
    assert all(rows == 1 for rows, _ in read)


def test_more_queries_after_a_prompt_than_a_row_has_room_for(run, prompts, monkeypatch):
    engine = TorchEngine(run, num_beams=20)
    queries = [ItemQuery(prompts[0], exclude=range(number * 40)) for number in range(5)]
    alone = [engine.items([query], 5)[0] for query in queries]
    monkeypatch.setattr("genrec.engines.torch.TREE_TOKENS", 100)  # two queries of 20 beams
    for found, expected in zip(engine.items(queries, 5), alone, strict=True):
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
