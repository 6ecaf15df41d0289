"""What must not stay of a text that people write about themselves: how to reach or to charge them.

E-mail addresses, phone numbers, and long numbers of any other kind (of cards, accounts, passports)
are taken out, whether or not they are valid: no number of that length says what somebody likes.
Phone numbers are found by Google's libphonenumber (``phonenumberslite``, its port without the
names of places: small, without dependencies, released every few weeks), which knows how each
country writes them. ``scrubadub`` has had no release since 2023 and brings scikit-learn,
``presidio`` brings spaCy; ``datafog`` is light, and left half of an IBAN and the last digits of
French numbers behind.
"""

from __future__ import annotations

import re

REMOVED = "…"
"""Stands where something was; no word, so that nothing is found by it."""

_EMAIL = re.compile(r"[^\s<>\"'(),;:@]+@[^\s<>\"'(),;:@]+\.[^\s<>\"'(),;:@]*\w")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
"""An IBAN, whose letters a number alone would leave."""
_UNBROKEN = re.compile(r"\d{7,}")
_GROUPED = re.compile(r"[+(]*(?:\d[\s().\-/–·]{0,3}){8,}\d")
"""Nine digits: a span of years (2019-2023) has eight."""


def redact(text: str) -> str:
    """Return a text without addresses and numbers by which somebody is reached or charged.

    Examples:
        >>> redact("Tea, always. ann@example.org or +49 30 901820, card 4111 1111 1111 1111")
        'Tea, always. … or …, card …'
        >>> redact("35mm film and size 42 shoes since 2019-2023")
        '35mm film and size 42 shoes since 2019-2023'
    """
    if "@" in text:
        text = _EMAIL.sub(REMOVED, text)
    if not any(character.isdigit() for character in text):
        return text
    text = _without_phones(_ACCOUNT.sub(REMOVED, text))
    return _UNBROKEN.sub(REMOVED, _GROUPED.sub(REMOVED, text))


def _without_phones(text: str) -> str:
    """Take out what is written as an international phone number; others are long numbers."""
    if not any(sign in text for sign in "+＋"):
        return text
    from phonenumbers import PhoneNumberMatcher

    parts, end = [], 0
    for match in PhoneNumberMatcher(text, None):
        parts += [text[end : match.start], REMOVED]
        end = match.end
    return "".join([*parts, text[end:]])
