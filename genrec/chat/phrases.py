"""The phrases of English that are read surely, as patterns over a message in small letters."""

from __future__ import annotations

import re

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_REFERENCE = rf"(?:the )?(?P<ref>{'|'.join(ORDINALS)}|last|(?:number |#|no\. ?)\d{{1,3}})(?: one)?"
_AMOUNT = (
    r"[$€£]?\s?(\d+(?:[.,]\d+)*)"
    r"(?:\s?(?:[$€£]|(?:dollars?|euros?|pounds?|bucks?|eur|usd|gbp)\b))?"
)
_NOT = r"(?:not|no|except|without|anything but|avoid|skip|don['’]?t (?:want|like|show(?: me)?))"

START_OVER = re.compile(
    r"\b(?:start over|start again|forget (?:everything|all that|it all)|reset)\b"
)
INSTEAD = re.compile(r"\b(?:instead|actually|rather|now show me)\b")
RELEASE = re.compile(
    r"\b(?:any|whatever|forget(?: about)?(?: the)?|never ?mind(?: the)?) "
    r"(?!(?:but|other than)\b)(?P<noun>[\w-]+)\b(?! (?:but|other than|besides|except)\b)"
)
"""Says that an attribute may be anything again."""

BETWEEN = re.compile(rf"\bbetween {_AMOUNT} and {_AMOUNT}")
BOUNDS = {
    "lte": re.compile(
        rf"\b(?:no more than|not more than|not over|not above|at most|up to|max(?:imum)?(?: of)?) "
        rf"{_AMOUNT}"
    ),
    "gte": re.compile(
        rf"\b(?:no less than|not less than|not under|not below|at least|min(?:imum)?(?: of)?) "
        rf"{_AMOUNT}"
    ),
    "lt": re.compile(rf"\b(?:under|below|less than|cheaper than) {_AMOUNT}"),
    "gt": re.compile(rf"\b(?:over|above|more than|dearer than|pricier than) {_AMOUNT}"),
}
"""In this order: what says "not over" is no "over"."""
CHEAPER = re.compile(rf"\b(?:cheaper|less expensive|lower[- ]priced?)\b(?: than {_REFERENCE})?")
DEARER = re.compile(rf"\b(?:dearer|pricier|more expensive)\b(?: than {_REFERENCE})?")

SAME = re.compile(rf"\bsame (?P<noun>[\w-]+)(?: as {_REFERENCE})?")
NOT_SAME = re.compile(
    rf"\b{_NOT} (?:the same|that|this|these|those|another|the) (?P<noun>[\w-]+)"
    rf"(?: (?:as|of) {_REFERENCE})?"
)
NOT_ITEM = re.compile(rf"\b{_NOT} {_REFERENCE}")
NOT_THIS = re.compile(r"\b(?:not|no,? not|skip) (?:that|this|it)(?: one| item)?\b")
NONE_SHOWN = re.compile(
    r"\b(?:none of (?:these|those|them)|(?:something|anything) else|other (?:ones|items|options)|"
    r"not (?:these|those)|show me more|more options|others)\b"
)

NOTHING_ELSE = re.compile(
    r"\b(?:nothing|none|no (?:brand|maker)s?|"
    r"(?:not|don['’]?t [\w-]+)(?: me)? any(?:thing| (?:brand|maker)s?)?)(?: else)? "
    r"(?:(?:other )?than|but|besides|except(?: for)?|(?:apart|aside) from)\b"
)
"""Ways to say "only"."""
SET_ASIDE = re.compile(
    r"\b(?:other(?: (?:brand|maker|kind|thing|one)s?)? than|rather than|instead of|besides|"
    r"except for|excluding|(?:apart|aside|(?:stay|keep) away|different) from|"
    r"(?:can['’]?t|cannot|can not) stand|"
    r"not (?:into|(?:a )?fan of|keen on|fond of)|(?:sick|tired) of)\b"
)
"""Ways to say "not" in several words, or in one that is none of ``NEGATORS``."""

NEGATORS = frozenset(
    "not no without except avoid never neither nor nothing hate dislike don't dont don’t "
    "isn't".split()
)
"""Before the name of a value: it is not wanted."""
NAME_NEGATORS = NEGATORS | {"skip"}
"""These too, before a name; before other words they may be part of one: "a skip rope"."""
BETWEEN_WORDS = frozenset(
    "the any more from by of brand brands anything things stuff items like want a an show me other "
    "these those need made please buy but or and , in category is be must only just".split()
)
"""May stand between such a word, or one of those below, and the name."""
JOINING = frozenset(", and or nor & the".split())
"""May stand between two names of a list."""
CLOSING = frozenset("only just nothing".split())
"""What stands before these is about something else: "not tea, only coffee"."""
MARKERS = frozenset("only just from by brand category must".split())
"""Before or after the name of a value: nothing else is wanted."""
SMALL_TALK = frozenset(
    "please show find want wants need looking look search searching something anything thing "
    "things hello hi hey thanks thank recommend suggest buy one ones item items product products "
    "instead actually rather also maybe could would like love".split()
)
BESIDE_NAMES = (
    BETWEEN_WORDS
    | MARKERS
    | SMALL_TALK
    | JOINING
    | frozenset(
        "i i'd i’d i'll i’ll i'm i’m am we you my it for to some can may do let let's let’s get "
        "give see go with what how about that's that’s yes ok okay well then so now too today "
        "this time here one".split()
    )
)
"""A brand in a part of a sentence with no other words than these is asked for. Of the stop words
few are here: "better than Acme", "I have Acme" and "I tried Acme" ask for nothing."""
