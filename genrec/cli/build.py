"""Commands that make artifacts: toy, prepare, index, base, merge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from genrec.cli import from_store, show
from genrec.errors import ConfigError
from genrec.progress import console

Out = Annotated[Path, typer.Option(help="Folder to write; appears only when complete.")]
Data = Annotated[Path, typer.Option(help="Prepared data (`genrec prepare`).")]
Index = Annotated[Path, typer.Option(help="Semantic-ID table (`genrec index`).")]
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
    from genrec.config import load_config
    from genrec.data.toy import ToyConfig, write_toy

    write_toy(out, load_config(ToyConfig, config, overrides or ()))
    console.print(f"wrote {out}")


Columns = Annotated[
    str | None,
    typer.Option(help="Which column is which, as user_id=visitorid,item_id=itemid."),
]
IgnoreColumns = Annotated[str | None, typer.Option(help="Event columns to leave out: a,b.")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether line 1 names the columns.")
]
Encoding = Annotated[str | None, typer.Option(help="Such as utf-8, latin-1, cp1252, utf-16.")]
Delimiter = Annotated[str | None, typer.Option(help="Between fields; tab for a tab.")]
Quote = Annotated[str | None, typer.Option(help="Around fields; none: nothing is quoted.")]
Escape = Annotated[str | None, typer.Option(help="Before a character that means itself.")]
Decimal = Annotated[str | None, typer.Option(help="Of ratings: . or a comma.")]
TimeUnitOption = Annotated[
    str | None,
    typer.Option("--time-unit", help="Of times that are numbers: s, ms, us, ns, days, excel-days."),
]
TimeFormat = Annotated[str | None, typer.Option(help="Of times, as %d.%m.%Y %H:%M.")]
TimeZone = Annotated[str | None, typer.Option(help="Of times that name none (default UTC).")]
DayFirst = Annotated[
    bool | None, typer.Option("--day-first/--month-first", help="Of dates such as 1/2/2020.")
]
Order = Annotated[
    str | None, typer.Option(help="file: no times, events follow each other as in the file.")
]
NullWords = Annotated[str | None, typer.Option(help="Words that mean missing: a,b.")]
NoRepair = Annotated[
    str | None,
    typer.Option(help="Repairs not to make: html, lists, null-words, float-ids, decimal."),
]


def prepare(
    out: Out,
    events: Annotated[
        list[str] | None, typer.Option(help="Event file, folder or glob; repeatable.")
    ] = None,
    items: Annotated[
        list[str] | None,
        typer.Option(help="Catalogue, likewise; without it, the items of the events."),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option(help="What users say of themselves: user_id, about; likewise."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Instead of files: a gateway's store, what came to it joined with --data."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Of --store: the prepared data before; its settings hold.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="Corpus the files come from (default: plain)."),
    ] = None,
    columns: Columns = None,
    ignore_columns: IgnoreColumns = None,
    header: Header = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    quote: Quote = None,
    escape: Escape = None,
    decimal: Decimal = None,
    time_unit: TimeUnitOption = None,
    time_format: TimeFormat = None,
    time_zone: TimeZone = None,
    day_first: DayFirst = None,
    order: Order = None,
    null_words: NullWords = None,
    no_repair: NoRepair = None,
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
    from genrec.config import load_config
    from genrec.data.prepare import PrepareConfig
    from genrec.data.prepare import prepare as run

    settings = _given(
        format=format,
        columns=columns,
        ignore_columns=ignore_columns,
        header=header,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        decimal=decimal,
        time_unit=time_unit,
        time_format=time_format,
        time_zone=time_zone,
        day_first=day_first,
        order=order,
        null_words=null_words,
        no_repair=no_repair,
        split=split,
        min_user_events=min_user_events,
        min_item_events=min_item_events,
        max_reject_share=max_reject_share,
    )
    settings += overrides or ()
    if store is not None:
        if events or items or users or data is None:
            raise ConfigError(
                "--store joins prepared data: give --data, and no --events, --items or --users"
            )
        report = from_store.prepare(store, data, out, config, settings)
    elif not events or data is not None:
        raise ConfigError("give --events FILE (and --items FILE), or --store URL and --data FOLDER")
    else:
        prepared = load_config(PrepareConfig, config, settings)
        report = run(events, items or None, out, prepared, users or None)
    show.print_notes(report)
    console.print(show.preparation(report))


def inspect(
    files: Annotated[list[str], typer.Argument(help="Event and item files, folders, globs.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Look at files: how they are written, what their columns are, the command that reads them."""
    from genrec.config import load_config
    from genrec.data.inspect import inspect as look
    from genrec.data.prepare import PrepareConfig

    show.print_inspection(look(files, load_config(PrepareConfig, config, overrides or ())))


def index(data: Data, out: Out, config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Give every item a semantic ID, and every coarse code a name."""
    from genrec.config import load_config
    from genrec.data import Dataset
    from genrec.semantic_ids.build import IndexConfig, build_index

    report = build_index(Dataset.load(data), out, load_config(IndexConfig, config, overrides or ()))
    console.print(report.table())


def base(
    data: Data,
    index: Index,
    out: Out,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="scratch (default), smollm2 (from the extra of that name), a .gguf file, or a "
            "Hugging Face name or folder.",
        ),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Make the base: a causal LM with the semantic-ID vocabulary in it."""
    from genrec.config import load_config
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
    # Text is quoted: read as YAML, a comma or a quote would be no text.
    return [
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in options.items()
        if value is not None
    ]
