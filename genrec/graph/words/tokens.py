"""Text to words, in any script, nothing folded away.

Words keep their accents and vowel signs. Chinese characters and Japanese hiragana, written without
spaces, give overlapping pairs, as search engines index them.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from genrec.semantic_ids.phrases import STOP_WORDS

_PAIRED = r"\p{Han}\p{Hiragana}々〆"
_MIN_LETTERS = 2


def tokenize(text: str | None) -> list[str]:
    """Return the lower-cased words of a text that can tell something, in order.

    English function words, numbers and single letters tell nothing and are left out. Thai and other
    scripts without spaces that would need a dictionary give one word a run.

    Examples:
        >>> tokenize("Der Tee schmeckt großartig: 緑茶です")
        ['der', 'tee', 'schmeckt', 'großartig', '緑茶', '茶で', 'です']
    """
    return list(_words(text)) if text else []


def _words(text: str) -> Iterator[str]:
    word, paired = _patterns()
    for found in word.findall(unicodedata.normalize("NFC", text).lower()):
        if paired.match(found):
            yield from map("".join, itertools.pairwise(found)) if len(found) > 1 else (found,)
        elif found not in STOP_WORDS and sum(not c.isdigit() for c in found) >= _MIN_LETTERS:
            yield found


@cache
def _patterns() -> tuple[Any, Any]:
    # Python's own \w takes vowel signs for word borders, which would break Hindi or Thai apart.
    import regex

    letter = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_PAIRED}]]"
    word = regex.compile(
        rf"(?V1)[{_PAIRED}]+|{letter}+(?:['’\u200c\u200d]{letter}+)*", regex.UNICODE
    )
    return word, regex.compile(rf"[{_PAIRED}]")
