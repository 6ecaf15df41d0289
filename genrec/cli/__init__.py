"""The command line: arguments and printing only. Users' faults exit with 2 and one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from genrec.cli import ask, build, graph, report, what_if
from genrec.errors import GenrecError
from genrec.progress import console, error_line

app = typer.Typer(
    help="An LLM-native generative recommender: event streams in, items and interests out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(build.toy, build.inspect, build.prepare, build.index, build.base, build.merge),
    *(ask.recommend, what_if.explain, ask.interests, ask.prompt, ask.evaluate, ask.baseline),
    *(ask.demo, graph.graph, report.compare, report.lint_report),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except GenrecError as error:
        console.print(error_line(error), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
