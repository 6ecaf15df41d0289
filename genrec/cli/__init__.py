"""The command line: arguments and printing only. Users' faults exit with 2 and one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from genrec.cli import (
    agents,
    ask,
    build,
    chat,
    demo_llm,
    experiments,
    from_store,
    graph,
    report,
    rules,
    settings,
    simulate,
    start,
    updates,
    what_if,
)
from genrec.errors import GenrecError
from genrec.progress import console, error_line

app = typer.Typer(
    help="An LLM-native generative recommender: event streams in, items and interests out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(build.toy, build.inspect, build.prepare, build.index, build.base, build.merge),
    *(from_store.export, ask.recommend, rules.similar, what_if.explain, ask.interests),
    *(ask.prompt, ask.evaluate, ask.baseline, ask.demo, graph.graph, report.compare),
    *(report.lint_report, start.serve, agents.mcp, settings.config, chat.chat),
    *(experiments.experiment, experiments.off_policy, simulate.simulate),
    *(updates.update, updates.rollback, demo_llm.demo_llm),
)
for command in COMMANDS:
    app.command()(command)
# What `train` does not know goes on to accelerate and to the entry point.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    start.train
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"genrec {version('genrec')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """An LLM-native generative recommender: event streams in, items and interests out."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except GenrecError as error:
        console.print(error_line(error), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
