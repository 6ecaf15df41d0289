"""What people call columns and metrics, and how they print numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

METRICS = {
    "recall": ("recall", "rec", "r", "hit rate", "hitrate", "hit ratio", "hits", "hit", "hr", "h"),
    "ndcg": ("ndcg", "n"),
    "mrr": ("mrr", "m"),
}
FACTS = {
    "protocol": ("protocol",),
    "level": ("level", "scoring level", "hit level"),
    "num_beams": ("num beams", "beams", "beam", "beam size", "beam width"),
    "num_items": ("num items", "items", "catalogue", "catalog", "catalogue size"),
    "num_ranked": ("num ranked", "ranked", "candidates", "num candidates", "items ranked"),
    "invalid_rate": ("invalid rate", "invalid"),
    "duplicate_rate": ("duplicate rate", "duplicate", "duplicates"),
    "split": ("split",),
    "filter_seen": ("filter seen", "seen filtered", "filtered"),
    "seed": ("seed",),
}
"""What a table may say beside its metrics, and under which column names."""
_ROLES = {
    "model": ("model", "method", "approach", "algorithm", "ranker", "name"),
    "dataset": ("dataset", "data set", "data", "domain", "corpus"),
    "metric": ("metric", "measure", "metric@k"),
    "value": ("value", "score", "result", "mean"),
    "k": ("k", "cutoff", "top k"),
}
_COLUMNS = {
    alias: name for name, aliases in (FACTS | _ROLES).items() for alias in aliases
}  # fmt: skip

_ALIASES = {alias: metric for metric, aliases in METRICS.items() for alias in aliases}
_METRIC = re.compile(
    r"(?:(?P<dataset>.*?)[\s_/:.|-]+)?"
    rf"(?P<metric>{'|'.join(sorted(map(re.escape, _ALIASES), key=len, reverse=True))})"
    r"(?P<at>\s*(?:@|at|[\s_-])?\s*(?:k\s*=\s*)?)(?P<k>[1-9]\d*)"
    r"[\s↑↓]*(?P<percent>\(?\s*%\s*\)?)?[\s↑↓]*",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-−+]?(?:\d+(?P<decimals>[.]\d*)?|(?P<bare>[.]\d+))(?:e(?P<power>[-+]?\d+))?", re.IGNORECASE
)
_EMPTY = {"", "-", "–", "—", "n/a", "na", "nan", "none", "null", "/"}


@dataclass(frozen=True, slots=True)
class MetricName:
    """What a column or cell calls a metric.

    Attributes:
        metric: "recall", "ndcg" or "mrr".
        k: Cutoff.
        dataset: What stands in front, "" for nothing.
        percent: Whether it carries a percent sign.
    """

    metric: str
    k: int
    dataset: str = ""
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number as printed, before its unit is known.

    Attributes:
        value: As it stands there.
        step: One unit of its last digit.
        percent: Whether it carries a percent sign.
    """

    value: float
    step: float
    percent: bool


def find_column(name: str) -> str | None:
    """Return what a column is, by whatever name; None for a metric or a stranger."""
    return _COLUMNS.get(re.sub(r"[\s_-]+", " ", name.lower()).strip())


def find_metric(name: str, k: str = "") -> MetricName | None:
    """Return the metric that a text names.

    Args:
        name: Such as "HR@10", "Beauty NDCG@5" or "recall".
        k: The cutoff where the name has none.

    Examples:
        >>> find_metric("Beauty Hit Rate @ 10 (%)")
        MetricName(metric='recall', k=10, dataset='Beauty', percent=True)
        >>> find_metric("colour") is None
        True
    """
    found = _METRIC.fullmatch(name.strip()) or _METRIC.fullmatch(f"{name.strip()}@{k}")
    # One letter and a number could be anything: R2 is no recall.
    if found is None or (len(found["metric"]) == 1 and not found["at"]):
        return None
    metric = _ALIASES[found["metric"].lower()]
    return MetricName(metric, int(found["k"]), found["dataset"] or "", bool(found["percent"]))


def is_empty(text: str) -> bool:
    """Tell whether a cell holds nothing."""
    return text.lower() in _EMPTY


def find_number(text: str) -> Number | None:
    """Return the number that a cell begins with, None where it begins with none.

    Examples:
        >>> find_number("6.05% *")
        Number(value=6.05, step=0.01, percent=True)
    """
    found = _NUMBER.match(text)
    if found is None:
        return None
    decimals = len(found["decimals"] or found["bare"] or ".") - 1
    step = 10.0 ** (int(found["power"] or 0) - decimals)
    return Number(float(found[0].replace("−", "-")), step, "%" in text)
