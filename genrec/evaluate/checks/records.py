"""Checks that a saved report says what its arrays and its data say."""

from __future__ import annotations

from collections.abc import Iterator

from genrec.data import Dataset
from genrec.evaluate.checks.report_table import Finding, ReportTable
from genrec.evaluate.provenance import tied_share
from genrec.evaluate.report import MODES, mode_name, ranks_name

TIED_SHARE = 0.01
"""Above this share of users the order of simultaneous events decides more than most methods do."""
_SAME = 1e-9


def check_unchanged(table: ReportTable) -> Iterator[Finding]:
    """The files are those that the manifest was written for."""
    if table.saved is not None and not table.saved.is_intact():
        yield Finding(
            "record", str(table.path), "its files were changed after it was written",
            "run `genrec evaluate` again",
        )  # fmt: skip


def check_means(table: ReportTable) -> Iterator[Finding]:
    """Every mean of the report is that of its users' ranks."""
    if table.saved is None:
        return
    for ranker in table.saved.rankers:
        for filter_seen, title in MODES.items():
            if ranks_name(ranker, filter_seen) not in table.saved.arrays:
                yield Finding(
                    "record", f"{ranker} · {title}", "the ranks behind its numbers are missing",
                    "run `genrec evaluate` again",
                )  # fmt: skip
                continue
            told = table.saved.report["rankers"][ranker].get(mode_name(filter_seen), {})
            for name, array in table.saved.per_user(ranker, filter_seen).items():
                if name not in told or abs(told[name]["mean"] - array.mean()) > _SAME:
                    yield Finding(
                        "record",
                        f"{ranker} · {title} · {name}",
                        f"the report says {told.get(name, {}).get('mean')}, its users' ranks give "
                        f"{array.mean():.6f}",
                        "run `genrec evaluate` again",
                    )


def check_ties(table: ReportTable) -> Iterator[Finding]:
    """What is held out does not depend on the order of lines with equal timestamps.

    Where it does for many users, the report has to say that the order of the file decides: then
    the data's hash fixes the targets, and anybody with the same file asks the same.
    """
    if table.report is None:
        return
    share, source = table.report.get("tied_share"), "as the report says"
    if "data" in table.lineage.paths:
        data = Dataset.load(table.lineage.paths["data"])
        share, source = tied_share(data, table.report["split"]), "counted from the data"
    if share is None or share <= TIED_SHARE:
        return
    is_told = table.report.get("tie_order") == "file"
    yield Finding(
        "ties",
        str(table.path),
        f"{share:.1%} of users have a target that shares its timestamp with a neighbour ({source})"
        + (", in the order of the events' file" if is_told else "; which is held out is chance"),
        "compare only with numbers on the very same file (equal data hash)"
        if is_told
        else "keep the order of the file, say so ('tie_order': 'file'), and give the data hash",
        "warn" if is_told else "fail",
    )


def check_items_ranked(table: ReportTable) -> Iterator[Finding]:
    """The report ranks every item of its data."""
    if table.report is None or "data" not in table.lineage.paths:
        return
    items = len(Dataset.load(table.lineage.paths["data"]).item_index)
    if table.report["num_items"] < items:
        yield Finding(
            "whole-catalogue", str(table.path),
            f"{table.report['num_items']:,} of the data's {items:,} items were ranked",
            "rank the whole catalogue; sampled metrics do not even keep the models' order",
        )  # fmt: skip
