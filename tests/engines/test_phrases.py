from hypothesis import given
from hypothesis import strategies as st

from genrec.engines.phrases import PhraseList

END, SEPARATOR = 99, 50
phrases = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, unique=True
)


def build(known):
    return PhraseList(known, [(SEPARATOR, *phrase) for phrase in known], END)


def complete(written, known) -> bool:
    """Say by brute force whether a text is a whole list of phrases."""
    parts, part = [], []
    for token in written:
        if token == SEPARATOR:
            parts.append(tuple(part))
            part = []
        else:
            part.append(token)
    return all(part in known for part in [*parts, tuple(part)])


@given(phrases, st.data())
def test_a_walk_that_may_end_is_a_list_of_phrases(known, data):
    sayable = build(known)
    written: list[int] = []
    for _ in range(20):
        allowed = sayable.allowed(written)
        assert (END in allowed) == complete(written, known)
        token = data.draw(st.sampled_from(allowed))
        if token == END:
            break
        written.append(token)


@given(phrases, st.data())
def test_every_list_of_phrases_can_be_written(known, data):
    sayable = build(known)
    chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
    text = list(chosen[0])
    for phrase in chosen[1:]:
        text += [SEPARATOR, *phrase]
    for place, token in enumerate(text):
        assert token in sayable.allowed(text[:place])
    assert END in sayable.allowed(text)


def test_what_no_phrase_begins_may_only_end():
    assert build([(1, 2)]).allowed([3]) == [END]
