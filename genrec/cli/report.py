"""Commands that judge saved evaluations and tables: compare, lint-report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from genrec.cli import show
from genrec.cli.runs import AsJson

if TYPE_CHECKING:
    from genrec.evaluate.checks import Finding, ReportTable


def compare(
    first: Annotated[
        Path,
        typer.Argument(help="A saved evaluation, or a folder of them that differ by seed."),
    ],
    second: Annotated[Path, typer.Argument(help="The same, to compare with.")],
    ranker: Annotated[
        str | None, typer.Option(help="Ranker of the first; default: the one under test.")
    ] = None,
    other: Annotated[
        str | None, typer.Option(help="Ranker of the second; default: the same name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two rankers of saved evaluations user by user, with paired bootstrap intervals."""
    from genrec.evaluate import compare_saved

    comparison = compare_saved(first, second, ranker, other)
    if as_json:
        typer.echo(json.dumps(comparison.to_json(), indent=2))
    else:
        show.output.print(comparison.table())


def lint_report(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Saved evaluations, reports (.json), or CSV tables of anybody."),
    ],
    unit: Annotated[
        Literal["auto", "percent", "share"],
        typer.Option(help="Of a table's numbers: percent, share, or auto."),
    ] = "auto",
    strict: Annotated[bool, typer.Option(help="Warnings refuse a report too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Refuse reports with impossible or untrustworthy numbers; exits with 1 if any is refused."""
    from genrec.evaluate.checks import check, read_report_tables

    report_tables = [
        report_table for path in paths for report_table in read_report_tables(path, unit)
    ]
    findings = {str(report_table.path): check(report_table) for report_table in report_tables}
    if as_json:
        content = {path: [asdict(each) for each in found] for path, found in findings.items()}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        for report_table in report_tables:
            show.output.print(_lay_out(report_table, findings[str(report_table.path)]))
    refusing = ("fail", "warn") if strict else ("fail",)
    if any(each.severity in refusing for found in findings.values() for each in found):
        raise typer.Exit(1)


def _lay_out(report_table: ReportTable, findings: Sequence[Finding]) -> RenderableType:
    """Lay out the findings on one report, refusals first."""
    num_cells = sum(len(row.cells) for row in report_table.rows)
    num_refusals = sum(finding.severity == "fail" for finding in findings)
    verdict = Text(f"{num_refusals} refused", "red") if num_refusals else Text("sound", "green")
    read = f"{len(report_table.rows)} rows, {num_cells} numbers"
    read += f", ignored columns: {', '.join(report_table.ignored)}" if report_table.ignored else ""
    title = Text.assemble((str(report_table.path), "bold"), f" · {read} · ", verdict)
    if not findings:
        return title
    table = Table(show_lines=True)
    for column in ("rule", "where", "what", "how to mend"):
        table.add_column(column, overflow="fold")
    for finding in sorted(findings, key=lambda finding: finding.severity):
        style = "red" if finding.severity == "fail" else "yellow"
        rule = Text.assemble((finding.rule, style), f"\n{finding.severity}")
        table.add_row(rule, Text(finding.where), Text(finding.what), Text(finding.remedy))
    return Group(title, table)
