"""Amounts as people write them: which number it is, and whether it is surely one of money."""

from __future__ import annotations

import re

from genrec.filters.language import MAX_NUMBER

_GROUPED = re.compile(r"(?!0)\d{1,3}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3})+(?:,\d+)?)")
_CURRENCY = re.compile(r"[$€£]|dollar|euro|pound|buck|eur|usd|gbp")
_STARTERS = """
    and or but not no nor without except avoid never for from by with in on to if as is are that
    which please thanks thank only just each apiece total altogether max maximum tops instead
    actually rather maybe then now today too also because so since when i we you my any all show
    find give something anything nothing let would could should must can may including budget price
    under over below above between at least minimum
""".split()
_AFTER_A_PRICE = re.compile(
    r"\s*(?:$|[^\w\s%°/*×'’′″+–—-])|\s[–—-]\s|"
    rf"\s(?:{'|'.join(_STARTERS)}|(?:more|less) than|up to)\b"
)
"""The end, a sign that ends a part, or a word that cannot be what the number counts."""
_NEXT_WORD = re.compile(r"\s?[^\s\0]{0,40}")


def read_number(written: str) -> float | None:
    """Return the number that is written; None: it cannot be told, or no filter holds it.

    Before exactly three digits a comma or point divides thousands, in prices nearly always.

    Examples:
        >>> [read_number(one) for one in ("1,299", "1.299,00", "12,50", "1.5", "0.125", "1.2.3")]
        [1299.0, 1299.0, 12.5, 1.5, 0.125, None]
    """
    if _GROUPED.fullmatch(written):
        divider = next(each for each in written if each in ",.")
        written = written.replace(divider, "")
    written = written.replace(",", ".")
    number = float(written) if written.count(".") < 2 else None
    return number if number is not None and number <= MAX_NUMBER else None


def is_price(amount: str, after: str) -> bool:
    """Return whether an amount is one of money, where no attribute is named.

    Args:
        amount: As it is written, with a sign or word of a currency if it has one.
        after: What follows: after a bare number neither a unit nor what it may count.

    Examples:
        >>> is_price("under 20", " for my mother"), is_price("under 2", " kg")
        (True, False)
    """
    return bool(_CURRENCY.search(amount) or _AFTER_A_PRICE.match(after))


def with_next_word(amount: str, after: str) -> str:
    """Return an amount and the word that follows, as short as a note can hold."""
    next_word = _NEXT_WORD.match(after)
    written = f"{amount}{next_word[0] if next_word else ''}".strip()
    return written if len(written) <= 100 else f"{written[:99]}…"
