"""``genrec config``: every setting of a stage with its default and what it means."""

from __future__ import annotations

from typing import Annotated

import typer

from genrec.errors import ConfigError

# Each is imported when it is asked for: some bring torch along.
STAGES = {
    "toy": "genrec.data.toy:ToyConfig",
    "prepare": "genrec.data.config:PrepareConfig",
    "index": "genrec.semantic_ids.config:IndexConfig",
    "base": "genrec.model.base:BaseConfig",
    "pretrain": "genrec.training.config:TrainConfig",
    "sft": "genrec.training.config:TrainConfig",
    "graph": "genrec.graph.config:GraphConfig",
    "zero-shot": "genrec.zero_shot.config:ZeroShotConfig",
    "serve": "genrec.serving.settings:Settings",
}


def config(name: Annotated[str, typer.Argument(help=", ".join(STAGES))]) -> None:
    """Print every setting of a stage with default and meaning, as YAML that --config takes."""
    from genrec.cli.settings_text import describe, settings_of

    if name not in STAGES:
        raise ConfigError(f"no stage '{name}'; stages are {', '.join(STAGES)}")
    for line in describe(settings_of(STAGES[name])):
        typer.echo(line)
