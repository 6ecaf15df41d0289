"""Which prompts are read together."""

from hypothesis import given
from hypothesis import strategies as st

from genrec.engines.prefixes import MIN_SHARED, batch_branches, find_families

PROMPTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 60), st.lists(st.integers(0, 3), max_size=40)).map(
        lambda parts: [9] * (1 + parts[0]) + [5] * parts[1] + parts[2]
    ),
    max_size=12,
)


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


@given(PROMPTS, st.integers(50, 400))
def test_batches_hold_every_branch_and_pad_little(prompts, max_tokens):
    for family in find_families(prompts)[0]:
        batches = list(batch_branches(family, prompts, max_tokens))
        assert sorted(sum(batches, [])) == sorted(family.branches)
        for batch in batches:
            rests = [len(prompts[branch.number]) - branch.shared for branch in batch]
            assert min(rests) >= 0.75 * max(rests) - MIN_SHARED
            assert len(batch) == 1 or len(batch) * len(prompts[family.trunk]) <= max_tokens


def test_prompts_with_an_event_left_out_are_one_family():
    events = [[7, number, number, number] for number in range(12)]
    whole = sum(events, [1, 2])
    without = [sum(events[:n] + events[n + 1 :], [1, 2]) for n in range(12)]
    families, alone = find_families([whole, *without, [1, 2, 3]])
    assert len(families) == 1 and families[0].trunk == 0
    # Those before the sixteenth shared token, and the one without events, stand alone.
    assert sorted(alone) == [1, 2, 3, 4, 13]
