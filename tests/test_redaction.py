"""What must not stay of a text about oneself; what must stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.redaction import REMOVED, redact

SECRETS = [
    "ann.o'neil+x@mail.example.co.uk",
    "jörg@bücher.example",
    "+49 30 901820",
    "+33 6 12 34 56 78",
    "+1 (555) 123-4567",
    "030 901820 4",
    "07911 123456",
    "4111 1111 1111 1111",
    "4111111111111111",
    "3782-822463-10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "078-05-1120",
    "12345678",
]
HARMLESS = [
    "35mm film, 1080p screens, size 42, since 2019-2023",
    "Tea & cake @ home. 3 kids, 2 dogs, 10.000.000 steps",
    "茶とお菓子が好き",
    "",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "I like tea, {}, and cake", "call {}.", "<{}>"])
def test_nothing_of_a_secret_stays(secret, frame):
    left = redact(frame.format(secret))
    assert REMOVED in left
    assert not any(part in left for part in secret.replace("-", " ").split() if len(part) > 2)
    assert all(word in left for word in frame.replace("{}", " ").split())


@pytest.mark.parametrize("text", HARMLESS)
def test_what_somebody_likes_stays(text):
    assert redact(text) == text


@given(st.text(max_size=300))
def test_it_is_done_after_once(text):
    once = redact(text)
    assert redact(once) == once
    assert not any(len(run) > 6 for run in _ascii_runs(once))


def _ascii_runs(text):
    return "".join(each if each in "0123456789" else " " for each in text).split()
