"""Keywords and sentiment of interests, from titles and reviews in any language.

Imports without torch; scikit-learn and the sentiment lexicon load when they are first used.
"""

from genrec.graph.words.keywords import Keywords, find_keywords
from genrec.graph.words.sentiment import Sentiment
from genrec.graph.words.tokens import tokenize

__all__ = [
    "Keywords",
    "Sentiment",
    "find_keywords",
    "tokenize",
]
