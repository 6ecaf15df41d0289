"""HTML and Amazon's own markup out of texts that hold them.

Enters: a text as it was scraped. Leaves: what a reader of the page would read. Only tags that HTML
has are taken out, so "a < b", "<3" and "<|item|>" stay.
"""

from __future__ import annotations

import re

_TAGS = (
    "a abbr address article aside b big blockquote body br button center cite code dd del div dl "
    "dt em embed figure font footer form frame h1 h2 h3 h4 h5 h6 head header hr html i iframe img "
    "input ins label li link main map mark meta nav noscript object ol option p param picture pre "
    "q s samp script section select small source span strike strong style sub sup svg table tbody "
    "td textarea tfoot th thead title tr tt u ul var video wbr"
).split()
# In "a<b and c>d" there is no tag: attributes have values.
_ATTRIBUTES = r"(?:\s[^<>]*=[^<>]*|\s*/?\s*)"
_TAG = re.compile(rf"</?(?:{'|'.join(_TAGS)}){_ATTRIBUTES}>", re.IGNORECASE)
_WITH_CONTENT = re.compile(
    r"<!--.*?(?:-->|$)|<(script|style)\b[^>]*>.*?(?:</\1\s*>|$)|<!doctype[^>]*>|<!\[[^>]*>"
    r"|\[\[(?:VIDEO|ASIN|IMAGE)ID?:[^\]]*\]\]",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPT = re.compile(r"\bvar\s+\w+\s*=.*\bgetTime\s*\(|^\s*\.[\w-]+\s*\{.*\}", re.DOTALL)
_SPACES = re.compile(r"\s+")
_BEFORE_A_STOP = re.compile(r" (?=[,.;])")

MARKUP = rf"(?i)</?(?:{'|'.join(_TAGS)}){_ATTRIBUTES}>|<script|<style|<!--|\[\[(?:VIDEO|ASIN|IMAGE)"
"""What marks a text as one of these, for Arrow and Python alike."""

_IS_MARKED = re.compile(MARKUP)


def has_markup(text: str) -> bool:
    """Whether a text holds a tag, a comment or a placeholder of Amazon's."""
    return _IS_MARKED.search(text) is not None or _SCRIPT.search(text) is not None


def strip_markup(text: str) -> str:
    r"""Return a text without tags, comments, scripts and placeholders, its spaces single.

    Examples:
        >>> strip_markup("<p><b>Hose</b><br />a < b<!-- x --> [[VIDEOID:abc]]")
        'Hose a < b'
        >>> strip_markup("var t = (new Date()).getTime();")
        ''
    """
    if _SCRIPT.search(text):
        return ""
    bare = _TAG.sub(" ", _WITH_CONTENT.sub(" ", text))
    if bare == text:
        return text
    return _BEFORE_A_STOP.sub("", _SPACES.sub(" ", bare)).strip()
