"""Files to clean events and items: readers, cleaning with a report, splits, a seeded toy world."""

from genrec.data.dataset import Dataset, Interactions

__all__ = ["Dataset", "Interactions"]
