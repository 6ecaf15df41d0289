"""How good a ranker is: metrics, cheap baselines, and a report that hides nothing."""

from genrec.evaluate.baselines import ItemKNN, Popularity, RepeatLast, fit_baselines
from genrec.evaluate.harness import Evaluation, evaluate
from genrec.evaluate.report import Report, compare

__all__ = [
    "Evaluation",
    "ItemKNN",
    "Popularity",
    "RepeatLast",
    "Report",
    "compare",
    "evaluate",
    "fit_baselines",
]
