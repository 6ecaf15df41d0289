"""Which prompts are read together, and that it changes no score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.engines import merge_prefixes as prefixes
from genrec.engines.base import ItemQuery
from genrec.engines.merge_prefixes import CALL_TOKENS, MIN_SHARED, batch_branches, find_families
from genrec.engines.torch import TorchEngine
from genrec.model.load import load_run
from genrec.schema import Request

PROMPTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.lists(st.integers(0, 3), max_size=40)).map(
        lambda parts: [9] * (1 + parts[0]) + [5] * 5 * parts[1] + parts[2]
    ),
    max_size=12,
)


@settings(deadline=None)
@given(PROMPTS)
def test_every_prompt_is_read_once_and_what_is_shared_is_the_same(prompts):
    families, alone = find_families(prompts)
    numbers = alone + [branch.number for family in families for branch in family.branches]
    assert sorted(numbers) == list(range(len(prompts)))
    for family in families:
        assert len(family.branches) > 1
        for branch in family.branches:
            prompt = prompts[branch.number]
            assert MIN_SHARED - 1 <= branch.shared < len(prompt)
            assert prompt[: branch.shared] == prompts[family.trunk][: branch.shared]


@settings(deadline=None)
@given(PROMPTS, st.integers(50, 400))
def test_batches_hold_every_branch_and_pad_little(prompts, max_tokens):
    for family in find_families(prompts)[0]:
        batches = list(batch_branches(family, prompts, max_tokens))
        assert sorted(sum(batches, [])) == sorted(family.branches)
        for batch in batches:
            rests = [len(prompts[branch.number]) - branch.shared for branch in batch]
            assert sum(max(rests) - rest for rest in rests) <= CALL_TOKENS
            assert len(batch) == 1 or len(batch) * len(prompts[family.trunk]) <= max_tokens


def prompts_without_each_event(num_events, width):
    events = [[7] + [number] * width for number in range(num_events)]
    whole = sum(events, [1, 2])
    return [whole] + [sum(events[:n] + events[n + 1 :], [1, 2]) for n in range(num_events)]


def test_prompts_with_an_event_left_out_are_one_family():
    families, alone = find_families([*prompts_without_each_event(40, 7), [1, 2, 3]])
    assert len(families) == 1 and families[0].trunk == 0
    # Those that share fewer than sixteen tokens with it, and the one without events, stand alone.
    assert sorted(alone) == [1, 2, 41]


def test_what_saves_less_than_its_calls_cost_is_read_apart():
    families, alone = find_families(prompts_without_each_event(6, 3))
    assert families == [] and sorted(alone) == list(range(7))


@pytest.mark.parametrize("call_tokens", [0, 40, 10**9])
def test_scores_do_not_depend_on_what_is_shared(chain, monkeypatch, call_tokens):
    """Sharing as much as can be, some, and nothing: as the search scores each prompt by itself."""
    monkeypatch.setattr(prefixes, "CALL_TOKENS", call_tokens)
    run = load_run(chain.pretrain)
    engine = TorchEngine(run, num_beams=len(run.table))
    pasts = [past for past in Dataset.load(chain.data).histories("valid") if len(past.events) > 8]
    asked = [
        Request(past.without([place])) for past in pasts[:3] for place in range(len(past.events))
    ]
    prompts = run.encoder.prompts([Request(past) for past in pasts[:3]] + asked)
    assert bool(find_families(prompts)[0]) == (call_tokens < 10**9)
    queries = [ItemQuery(prompt, exclude=[number]) for number, prompt in enumerate(prompts)]
    scores = engine.item_scores(queries, [[50, 7]] * len(queries))
    for query, found in zip(queries, scores, strict=True):
        alone = engine.items([query], len(run.table))[0]
        of = dict(zip(alone.rows.tolist(), alone.scores.tolist(), strict=True))
        expected = [of.get(row, -np.inf) for row in (50, 7)]
        np.testing.assert_allclose(found, expected, atol=1e-4)
