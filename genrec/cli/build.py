"""Commands that make artifacts: toy, prepare, index, base, merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrec.cli import show
from genrec.config import load_config
from genrec.progress import console

Out = Annotated[Path, typer.Option(help="Folder to write; appears only when complete.")]
Data = Annotated[Path, typer.Option(help="Prepared data (`genrec prepare`).")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="A setting as name=value, dotted; repeatable.")
]


def toy(
    out: Out,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Write a seeded toy world: catalogue, events, and the truth behind them."""
    from genrec.data.toy import ToyConfig, write_toy

    write_toy(out, load_config(ToyConfig, config, overrides or ()))
    console.print(f"wrote {out}")


def prepare(
    events: Annotated[list[Path], typer.Option(help="Event file; repeatable.")],
    out: Out,
    items: Annotated[
        Path | None, typer.Option(help="Catalogue file; without it, the items of the events.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="Corpus the files come from (default: plain)."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="leave-one-out (default) or global-time.")
    ] = None,
    min_user_events: Annotated[
        int | None, typer.Option(help="k-core: fewest events of a user (default 0).")
    ] = None,
    min_item_events: Annotated[
        int | None, typer.Option(help="k-core: fewest events of an item (default 0).")
    ] = None,
    max_reject_share: Annotated[
        float | None,
        typer.Option(help="Stop when more than this share of rows is unusable (default 0.05)."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Clean an event log and a catalogue, and split them."""
    from genrec.data.prepare import PrepareConfig
    from genrec.data.prepare import prepare as run

    settings = _given(
        format=format,
        split=split,
        min_user_events=min_user_events,
        min_item_events=min_item_events,
        max_reject_share=max_reject_share,
    )
    settings += overrides or ()
    report = run(events, items, out, load_config(PrepareConfig, config, settings))
    console.print(show.preparation(report))


def index(data: Data, out: Out, config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Give every item a semantic ID, and every coarse code a name."""
    from genrec.data import Dataset
    from genrec.semantic_ids.build import IndexConfig, build_index

    report = build_index(Dataset.load(data), out, load_config(IndexConfig, config, overrides or ()))
    console.print(report.table())


def base(
    data: Data,
    index: Annotated[Path, typer.Option(help="Semantic-ID table (`genrec index`).")],
    out: Out,
    source: Annotated[
        str | None,
        typer.Option("--from", help="scratch (default), or a Hugging Face name or path."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Make the base: a causal LM with the semantic-ID vocabulary in it."""
    from genrec.interests.summary.codec import fixed_pieces
    from genrec.model.base import BaseConfig, make_base

    settings = [*_given(source=source), *(overrides or ())]
    make_base(data, index, out, load_config(BaseConfig, config, settings), fixed_pieces())
    console.print(f"wrote {out}")


def merge(
    run: Annotated[Path, typer.Option(help="A run of train/sft.py.")],
    out: Out,
) -> None:
    """Write an adapter and its base as one model."""
    from genrec.model.lora import merge as write_merged

    write_merged(run, out)
    console.print(f"wrote {out}")


def _given(**options: object) -> list[str]:
    """Return the options that were given as overrides, so that a config file rules the others."""
    return [f"{name}={value}" for name, value in options.items() if value is not None]
