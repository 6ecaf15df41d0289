"""Commands that judge policies by what users did: experiment, off-policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from genrec.cli import show
from genrec.cli.runs import AsJson
from genrec.errors import ConfigError


def experiment(
    file: Annotated[
        Path,
        typer.Argument(help="Parquet or CSV: user_id, arm and the metrics' columns, by exposure."),
    ],
    arms: Annotated[
        list[str],
        typer.Option(
            "--arm", help="NAME=WEIGHT as users were assigned, the control first; 0: dropped."
        ),
    ],
    metric: Annotated[
        str, typer.Option(help="NAME[/PER][:lower]: a column per exposure, user or other column.")
    ] = "click",
    guardrail: Annotated[
        list[str] | None, typer.Option(help="A metric that must not be harmed; may be repeated.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Chance of ever calling a difference where there is none.")
    ] = 0.05,
    expected_lift: Annotated[
        float, typer.Option(help="Relative difference to be most sensitive to; set it beforehand.")
    ] = 0.1,
    as_json: AsJson = False,
) -> None:
    """Say which arm of an A/B test is better, by intervals that may be looked at any time."""
    from genrec.experiments import Experiment, Metric, analyse
    from genrec.experiments.columns import read_table

    result = analyse(
        Experiment(file.stem, dict(map(_parse_arm, arms))),
        read_table(file),
        Metric.parse(metric),
        [Metric.parse(text) for text in guardrail or ()],
        alpha,
        expected_lift,
    )
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        show.output.print(result.table())


def off_policy(
    file: Annotated[
        Path,
        typer.Argument(help="Parquet or CSV: reward, propensity, target_propensity of each item."),
    ],
    as_json: AsJson = False,
) -> None:
    """Estimate what a policy would have earned from impressions that another one showed."""
    from genrec.experiments import evaluate_policy
    from genrec.experiments.columns import read_table

    report = evaluate_policy(read_table(file))
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        show.output.print(report.table())


def _parse_arm(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    try:
        return name, float(weight)
    except ValueError:
        raise ConfigError(f"--arm {text!r} must be written NAME=WEIGHT, such as new=1") from None
