"""Keywords, themes and sentiment of interests, from titles and reviews in any language.

Imports without torch; scikit-learn and the sentiment lexicon load when they are first used.
"""

from genrec.interests.words.keywords import Keywords, find_keywords
from genrec.interests.words.moods import InterestMood, follow_moods
from genrec.interests.words.sentiment import Sentiment
from genrec.interests.words.themes import Themes, find_themes
from genrec.interests.words.tokens import tokenize

__all__ = [
    "InterestMood",
    "Keywords",
    "Sentiment",
    "Themes",
    "find_keywords",
    "find_themes",
    "follow_moods",
    "tokenize",
]
