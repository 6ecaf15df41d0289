"""Options and printing of zero-shot: a stock chat model in place of a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.table import Table
from rich.text import Text

from genrec.cli import show
from genrec.errors import ConfigError
from genrec.progress import console

if TYPE_CHECKING:
    from genrec.evaluate.report import Report
    from genrec.recommender import Recommender
    from genrec.zero_shot.recommender import ZeroShotRecommender


@dataclass(frozen=True)
class ZeroShotOptions:
    """The options of zero-shot, as given."""

    zero_shot: Annotated[
        bool, typer.Option("--zero-shot", help="Ask a stock chat model by prompt; needs no run.")
    ] = False
    model: Annotated[
        str | None,
        typer.Option(help="Of --zero-shot: URL (OpenAI-compatible), folder or Hugging Face name."),
    ] = None
    served_model: Annotated[
        str | None,
        typer.Option(help="What the server at the URL calls the model; default: its first."),
    ] = None
    data: Annotated[Path | None, typer.Option(help="Of --zero-shot: prepared data.")] = None
    index: Annotated[
        Path | None,
        typer.Option(
            help="Of --zero-shot: ID table, for the names of interests; default: made anew."
        ),
    ] = None
    cache: Annotated[
        Path | None,
        typer.Option(help="Of --zero-shot: file of answers; a rerun asks nothing that is in it."),
    ] = None
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of --zero-shot: a setting as name=value; repeatable."),
    ] = None

    @property
    def given(self) -> list[str]:
        """Those that were given, as they are written."""
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        return [f"--{'set' if name == 'overrides' else name.replace('_', '-')}" for name in given]


NOT_ASKED = ZeroShotOptions()


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of zero-shot; it receives them as one argument, ``options``."""
    hints = get_type_hints(ZeroShotOptions, include_extras=True)
    added = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(ZeroShotOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    own = [each for name, each in signature.parameters.items() if name != "options"]

    @wraps(command)
    def run(**values: Any) -> None:
        options = ZeroShotOptions(**{each.name: values.pop(each.name) for each in added})
        command(**values, options=options)

    parameters = [*own, *added]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def load(options: ZeroShotOptions, device: str | None) -> ZeroShotRecommender:
    """Load what the options name.

    Raises:
        ConfigError: Model or data are not given.
    """
    from genrec.config import load_config
    from genrec.recommender import Recommender
    from genrec.zero_shot.config import ZeroShotConfig

    if options.model is None or options.data is None:
        missing = "--model" if options.model is None else "--data"
        raise ConfigError(
            f"--zero-shot needs {missing}: genrec … --zero-shot --model URL|NAME --data DIR"
        )
    settings = [] if options.cache is None else [f"cache={options.cache}"]
    config = load_config(ZeroShotConfig, None, [*settings, *(options.overrides or ())])
    return Recommender.zero_shot(
        options.model,
        options.data,
        config=config,
        index=options.index,
        model_name=options.served_model,
        device=device,
    )


def finish(recommender: Recommender | ZeroShotRecommender) -> None:
    """Say on standard error what a zero-shot answer cost; close its connections."""
    if report := _report_of(recommender):
        console.print(Text(" · ".join(_facts(report["usage"])), "dim"))
        recommender.close()  # type: ignore[union-attr]


def on_same_data(run: Recommender, recommender: Recommender | ZeroShotRecommender) -> Recommender:
    """Return a tuned run that stands beside a zero-shot one.

    Raises:
        ConfigError: They are of different data, so that no comparison of them means anything.
    """
    ours, theirs = (each.data.manifest.content_hash for each in (recommender, run))
    if ours != theirs:
        raise ConfigError(
            f"the run was trained on data {theirs}, --data is {ours}; give the run's own data "
            f"({run.data.path})"
        )
    return run


def with_report(report: Report, recommender: Recommender | ZeroShotRecommender) -> Report:
    """Return an evaluation that also says what asking cost, failed and favoured."""
    if found := _report_of(recommender):
        return replace(report, setting={**report.setting, "zero_shot": found})
    return report


def show_report(recommender: Recommender | ZeroShotRecommender) -> None:
    """Print cost, failures and position bias of a zero-shot recommender."""
    if found := _report_of(recommender):
        show.output.print(report_table(found))


def _report_of(recommender: Recommender | ZeroShotRecommender) -> dict[str, Any] | None:
    report = getattr(recommender, "report", None)
    return None if report is None else report()


def report_table(report: dict[str, Any]) -> Table:
    """Lay out cost, failures and position bias."""
    table = Table(title=f"zero-shot: {report['model']}", title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    asked = (
        f"{report['method']} · {report['num_candidates']} candidates · orders {report['orders']}"
    )
    table.add_row("asked by", f"{asked} · examples {report['examples']}")
    usage = report["usage"]
    table.add_row("requests", " · ".join(_facts(usage)))
    asked_for = usage["tasks"]
    share = usage["failed_tasks"] / asked_for if asked_for else 0.0
    kinds = ", ".join(f"{kind} {number}" for kind, number in usage["failures"].items()) or "none"
    table.add_row(
        "failed", f"{usage['failed_tasks']} of {asked_for} answers ({share:.2%}) · {kinds}"
    )
    dropped = ", ".join(f"{kind} {number}" for kind, number in usage["dropped"].items()) or "none"
    table.add_row("left out of answers", dropped)
    bias = report["position_bias"]
    if bias["correlation"] is not None:
        words = (
            f"rank follows place by {bias['correlation']:+.3f} ± {bias['correlation_error']:.3f} "
            f"(0 none, 1 wholly) · shown first, ranked first {bias['first_shown_chosen']:.1%} "
            f"(chance {bias['chance']:.1%})"
        )
        if bias["agreement"] is not None:
            words += f" · two orders agree by {bias['agreement']:.3f}"
        table.add_row("position bias", words)
    return table


def _facts(usage: dict[str, Any]) -> list[str]:
    facts = [
        f"{usage['sent']:,} sent",
        f"{usage['cached']:,} from the cache",
        f"{usage['retries']:,} retries",
        f"{usage['prompt_tokens']:,} + {usage['answer_tokens']:,} tokens",
        f"{usage['repaired']:,} repaired",
    ]
    if usage["cost"]:
        facts.append(f"cost {usage['cost']:.4f}")
    return facts
