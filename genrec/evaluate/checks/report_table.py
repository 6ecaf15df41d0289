"""What every check reads, wherever it came from: cells, rows, tables and findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from genrec.evaluate.checks.lineage import Lineage
from genrec.evaluate.saved import SavedEvaluation

Severity = Literal["fail", "warn"]
TITLES = {"recall": "Recall", "ndcg": "NDCG", "mrr": "MRR"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One printed number.

    Attributes:
        metric: "recall" (also hit rate), "ndcg" or "mrr".
        k: Cutoff.
        value: As a share, 0 to 1.
        slack: Half a unit of the last printed digit: the true value lies within it.
        text: As printed.
    """

    metric: str
    k: int
    value: float
    slack: float
    text: str

    @property
    def title(self) -> str:
        """Such as "NDCG@10"."""
        return f"{TITLES[self.metric]}@{self.k}"


@dataclass(frozen=True)
class Row:
    """One model's numbers on one data set, in one filter mode.

    Attributes:
        where: For people, such as "Beauty · SASRec".
        dataset: Empty where the table does not say.
        model: Name of the ranker.
        cells: Its numbers, at most one for each metric and cutoff.
        facts: What is said about how they came about; see ``FACTS`` of ``text_claims``.
        unreadable: Texts that should have been numbers.
    """

    where: str
    dataset: str
    model: str
    cells: tuple[Cell, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()

    @property
    def has_one_target(self) -> bool:
        """Whether every user has one held-out item, as far as the report says."""
        if "max_targets" in self.facts:
            return int(self.facts["max_targets"]) == 1
        return bool(self.facts.get("protocol", "leave-one-out") != "global-time")


@dataclass(frozen=True)
class ReportTable:
    """A report or a table.

    Attributes:
        path: The file or folder.
        rows: Its rows.
        report: Our own report as JSON; None for somebody else's table.
        saved: Our evaluation with its arrays; None where only the report is there.
        lineage: What it was made from, as far as it can be reached.
        ignored: Columns that nobody understands.
    """

    path: Path
    rows: tuple[Row, ...]
    report: Mapping[str, Any] | None = None
    saved: SavedEvaluation | None = None
    lineage: Lineage = field(default_factory=Lineage)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against a report.

    Attributes:
        rule: Name of the check.
        where: Which row and cell, or which file.
        what: What is wrong.
        remedy: How to mend it.
        severity: "fail": do not believe it; "warn": cannot be checked, or wants a look.
    """

    rule: str
    where: str
    what: str
    remedy: str
    severity: Severity = "fail"
