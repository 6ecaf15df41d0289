"""How good a ranker is: metrics, comparisons, and a report that hides nothing."""

from genrec.evaluate.harness import Evaluation, evaluate
from genrec.evaluate.paired_comparison import compare_saved
from genrec.evaluate.report import Report, compare
from genrec.evaluate.saved import load_evaluation, save_evaluation

__all__ = [
    "Evaluation",
    "Report",
    "compare",
    "compare_saved",
    "evaluate",
    "load_evaluation",
    "save_evaluation",
]
