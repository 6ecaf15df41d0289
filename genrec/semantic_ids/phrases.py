"""Items and reviews to the phrases that a group of items may be named after.

Enters: items and training events. Leaves: for every item the phrases that describe it, each of a
field: a category says most, a word of a review least.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genrec.schema import History, Item
from genrec.semantic_ids.text import words

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FINE_CATEGORY, COARSE_CATEGORY, BRAND, TITLE_PAIR, TITLE_WORD, DECADE, REVIEW_WORD = range(7)

MAX_REVIEWS = 200_000
"""Reviews read for words; more tell little more about a group."""

STOP_WORDS = frozenset(
    """
    a about after again all almost also always am an and another any anyone anything are around as
    at away back be because been before being below best better between big both but by can cannot
    could did do does doesn don done down each easy either else enough especially even ever every
    everyone everything far few first for from full get gets getting give given go goes going gone
    good got great had has have having he help her here high him his how however if in inside into
    is isn it its just keep kind know last least less let like little ll long look looks lot low
    made make makes making many may maybe me might mine more most much must my near need needs
    never new next nice no nor not nothing now of off often ok on once one only onto or other
    others our out over own per perhaps please put quite rather re real really right said same say
    says see seem seems several shall she should since small so some someone something sometimes
    soon still such sure take than that the their them then there these they thing things think
    this those though through thus til time times to together too toward tried try two under until
    up upon us use used uses using ve very via want wants was way we well went were what whatever
    when where whether which while who whole whom whose why will with within without would yes yet
    you your yours

    asst assorted assortment bottle bottles box bulk cm count ct cup dozen fl fluid ft gallon gm
    gram grams inch inches kg lb lbs liter ltr meter ml mm ounce ounces oz pack packaging packs
    pair pc pcs piece pieces pk qty quantity set size sizes unit units vary various x
    """.split()
)
_REVIEW_STOP_WORDS = frozenset(
    """
    amazing awesome bad beautiful bought buy came come comes day days deal different disappointed
    excellent expected favorite feel find fine five found handy happy hard item items job left
    love loved loves old ordered perfect perfectly price problem product products purchase
    purchased quality quick received recommend recommended star stars super surprised thank thanks
    three week weeks wonderful work worked working works worth wrong year years
    """.split()
)
# "Needle & Co" is what people say; without its end it would be no name.
_LEGAL_FORM = re.compile(
    r"(?<![&+])(?<!\band)(?<!\bund)[,\s]+(?:inc|llc|ltd|co|corp|gmbh|company|limited)\b\.?$"
)
_SHOWN_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
# Names go into prompts, where such characters mark our own tokens.
_MARKUP = re.compile(r"[<>|\x00-\x1f]+")
_YEAR = re.compile(r"\(((?:19|20)\d)\d\)")
_MAX_PHRASE_WORDS = 4
_MAX_PHRASE_CHARS = 40
_REVIEW_SHARE = 0.1


@dataclass(frozen=True)
class PhraseTable:
    """Which item is described by which phrase.

    Attributes:
        phrases: As they are shown; lower case.
        fields: Field of each phrase, such as ``BRAND``. Shape: (T,).
        matrix: 1 where the item has the phrase. Shape: (N, T).
    """

    phrases: list[str]
    fields: np.ndarray
    matrix: csr_array


def build_phrases(items: Sequence[Item], histories: Iterable[History]) -> PhraseTable:
    """Collect the phrases of a catalogue that describe at least two items.

    Args:
        items: The catalogue.
        histories: Training events, whose reviews lend their words to their items.
    """
    from scipy.sparse import csr_array

    review_words = _review_words(histories)
    index: dict[tuple[str, int], int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for row, item in enumerate(items):
        # A phrase found in two fields counts in the one that says more, which comes first.
        found: dict[str, int] = {}
        for phrase, field in itertools.chain(
            _item_phrases(item),
            ((word, REVIEW_WORD) for word in review_words.get(item.item_id, ())),
        ):
            found.setdefault(phrase, field)
        columns.extend(index.setdefault(entry, len(index)) for entry in found.items())
        rows.extend([row] * len(found))
    matrix = csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(len(items), len(index))
    )
    counts = np.bincount(columns, minlength=len(index))
    entries = [entry for entry, column in index.items() if counts[column] > 1]
    kept = [index[entry] for entry in entries]
    return PhraseTable(
        phrases=[phrase for phrase, _ in entries],
        fields=np.array([field for _, field in entries], dtype=np.int64),
        matrix=matrix[:, kept].tocsr(),
    )


def short_title(item: Item) -> tuple[str, bool]:
    """Return the telling start of a title or brand and whether that is the whole of it.

    It stands for a group that no phrase describes; empty where it has neither.
    """
    label = _MARKUP.sub(" ", item.title or item.brand or "")
    start = re.split(r"\s[-–]\s|[(\[,:;]", label.strip())[0].lower().split()
    title = [word for word in start if not any(map(str.isdigit, word))][:_MAX_PHRASE_WORDS]
    while title and title[-1] in STOP_WORDS:
        title.pop()
    return " ".join(title), title == start


def _item_phrases(item: Item) -> Iterator[tuple[str, int]]:
    for place, category in enumerate(reversed(item.categories)):
        if phrase := _as_phrase(category):
            yield phrase, COARSE_CATEGORY if place else FINE_CATEGORY
    if item.brand and (phrase := _as_phrase(item.brand)):
        yield phrase, BRAND
    title = _SHOWN_WORD.findall((item.title or "").lower())
    for first, second in itertools.pairwise(title):
        if _is_telling(first) and _is_telling(second) and first != second:
            yield f"{first} {second}", TITLE_PAIR
    yield from ((word, TITLE_WORD) for word in title if _is_telling(word))
    if year := _YEAR.search(item.title or ""):
        yield f"{year[1]}0s", DECADE


def _as_phrase(text: str) -> str | None:
    """Return a category or brand as shown in a name; None where it is not one."""
    phrase = " ".join(_MARKUP.sub(" ", text.lower()).split())
    phrase = _LEGAL_FORM.sub("", phrase).strip(" .,;:/-·&")
    too_long = len(phrase) > _MAX_PHRASE_CHARS or len(phrase.split()) > _MAX_PHRASE_WORDS
    readable = any(_is_telling(word) for word in words(phrase))
    return phrase if readable and not too_long else None


def _is_telling(word: str) -> bool:
    """Tell whether a word can stand in a name: no number, unit, model number or stop word."""
    long = sum(map(str.isalpha, word)) > 2 or not word.isascii()
    return long and word not in STOP_WORDS and not any(map(str.isdigit, word))


def _review_words(histories: Iterable[History]) -> dict[str, list[str]]:
    """Return for each item ID the words that several of its reviews use."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    num_reviews: Counter[str] = Counter()
    events = (event for history in histories for event in history.events)
    reviewed = (event for event in events if event.review or event.title)
    for event in itertools.islice(reviewed, MAX_REVIEWS):
        found = {*words(event.title), *words(event.review)}
        counts[event.item_id].update(
            word for word in found - _REVIEW_STOP_WORDS if _is_telling(word)
        )
        num_reviews[event.item_id] += 1
    return {
        item_id: [
            word
            for word, count in sorted(counter.items())
            if count >= max(2, _REVIEW_SHARE * num_reviews[item_id])
        ]
        for item_id, counter in counts.items()
    }
