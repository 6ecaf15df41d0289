"""Filters of items by their attributes: a small typed language, and its answers as masks."""

from genrec.filters.attributes import ItemAttributes
from genrec.filters.language import Filter, read_filter

__all__ = ["Filter", "ItemAttributes", "read_filter"]
