"""How good a ranker is: metrics, cheap baselines, and a report that hides nothing."""

from genrec.evaluate.baselines import ItemKNN, Markov, Popularity, RepeatLast, fit_baselines
from genrec.evaluate.harness import Evaluation, evaluate
from genrec.evaluate.pairs import compare_saved
from genrec.evaluate.report import Report, compare
from genrec.evaluate.saved import load_evaluation, save_evaluation

__all__ = [
    "Evaluation",
    "ItemKNN",
    "Markov",
    "Popularity",
    "RepeatLast",
    "Report",
    "compare",
    "compare_saved",
    "evaluate",
    "fit_baselines",
    "load_evaluation",
    "save_evaluation",
]
