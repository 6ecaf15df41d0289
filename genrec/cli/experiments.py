"""Commands that judge policies by what users did: experiment, off-policy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrec.cli import show
from genrec.cli.from_store import opened
from genrec.cli.runs import AsJson, Device
from genrec.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

REQUESTED = "arms of requests"
"""Name of the experiment whose arms requests name."""


def experiment(
    file: Annotated[
        Path | None,
        typer.Argument(help="Parquet or CSV: user_id, arm and the metrics' columns, by exposure."),
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option(
            "--arm", help="NAME=WEIGHT as users were assigned, the control first; 0: dropped."
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="In place of a file: what gateways on this store showed. With --arm, in the arms "
            "that requests named; without, in the experiments that rules name."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help=r"NAME\[/PER]\[:lower]: a column per exposure, user or other column; click, of a "
            "store clicks/shown."
        ),
    ] = None,
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

    assigned = dict(map(_parse_arm, arms or ()))
    guardrails = None if guardrail is None else [Metric.parse(text) for text in guardrail]
    judging: dict[str, Any] = {"alpha": alpha, "expected_lift": expected_lift}
    if store is not None and file is None:
        judging |= {} if metric is None else {"metric": Metric.parse(metric)}
        judging |= {} if guardrails is None else {"guardrails": guardrails}
        _judge_store(store, assigned, judging, as_json)
    elif file is not None and store is None and assigned:
        decides = Metric.parse(metric or "click")
        found = Experiment(file.stem, assigned)
        result = analyse(found, read_table(file), decides, guardrails or (), **judging)
        _tell(result.to_json() if as_json else result.table(), as_json)
    else:
        raise ConfigError("give a file and --arm of each arm, or --store")


def _judge_store(
    store: str, assigned: dict[str, float], judging: dict[str, Any], as_json: bool
) -> None:
    """Judge the arms that requests named, or the experiments that rules name."""
    from genrec.experiments import Experiment
    from genrec.serving.experiments import Experiments
    from genrec.serving.settings import read_settings
    from genrec.serving.store import EventStore, ImpressionStore, RuleStore

    settings = read_settings()
    with opened(store) as engine:
        stores = (RuleStore(engine), ImpressionStore(engine), EventStore(engine))
        experiments = Experiments(
            stores, settings.conversion_events, settings.attribution_s, time.time
        )
        if assigned:
            experiment = Experiment(REQUESTED, assigned)
            judged = {REQUESTED: experiments.judge(experiment, **judging)}
        else:
            judged = {trial.experiment.name: each for trial, each in experiments.all(**judging)}
    if as_json:
        told = {}
        for name, each in judged.items():
            if each.preference is not None:
                told[name] = each.preference.to_json(*reversed([*each.arms]))
            elif each.result is not None:
                told[name] = each.result.to_json()
            else:
                told[name] = {"fault": each.fault}
        _tell(told, as_json)
        return
    if not judged:
        raise ConfigError("no rule names an experiment; give the arms that requests named as --arm")
    for name, each in judged.items():
        if each.preference is not None:
            control, challenger = each.arms
            _tell(f"{name}: {each.preference.verdict(challenger, control)}", as_json)
        else:
            _tell(f"{name}: {each.fault}" if each.result is None else each.result.table(), as_json)


def _tell(what: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(what, indent=2, ensure_ascii=False))
    else:
        show.output.print(what)


def off_policy(
    file: Annotated[
        Path | None,
        typer.Argument(help="Parquet or CSV: reward, propensity, target_propensity of each item."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="In place of a file: what gateways on this store showed under a quota."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="With --store: the run to judge.")] = None,
    days: Annotated[int, typer.Option(min=1, help="With --store: how many, to now.")] = 7,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a policy would have earned from impressions that another one showed."""
    from genrec.experiments import evaluate_policy
    from genrec.experiments.columns import read_table

    if file is not None and store is None and run is None:
        log = read_table(file)
    elif file is None and store is not None and run is not None:
        log = _log_of_store(store, run, days, device)
    else:
        raise ConfigError("give a file, or --store and --run")
    report = evaluate_policy(log)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        show.output.print(report.table())


def _log_of_store(store: str, run: Path, days: int, device: str | None) -> pa.Table:
    from genrec.devices import choose_device
    from genrec.recommender import Recommender
    from genrec.serving.histories import Histories, PreparedUsers
    from genrec.serving.logged import DAY_S, judged_log, logged_pages
    from genrec.serving.settings import read_settings
    from genrec.serving.store import EventStore, ImpressionStore, Position, read_store_id

    settings = read_settings()
    with opened(store) as engine:
        now = int(time.time())
        pages = logged_pages(ImpressionStore(engine), now - days * DAY_S, now + 1)
        target = Recommender.from_pretrained(run, choose_device(device))
        made_from = target.data.manifest.config if target.data.has_events else {}
        known = Position.of(made_from, read_store_id(engine))
        events = EventStore(engine)
        users = PreparedUsers(target.data)
        histories = Histories(users, events, settings.max_history_events, known.events)
        return judged_log(pages, events, target, histories, settings.attribution_s)


def _parse_arm(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    try:
        return name, float(weight)
    except ValueError:
        raise ConfigError(f"--arm {text!r} must be written NAME=WEIGHT, such as new=1") from None
