"""Commands of the living system: update and rollback."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genrec.cli import show
from genrec.cli.from_store import opened
from genrec.cli.runs import AsJson
from genrec.errors import ConfigError, GenrecError
from genrec.progress import console, error_line

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from genrec.serving.store import Entry

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
Run = Annotated[Path, typer.Option(help="The run that gateways serve.")]
Store = Annotated[
    str, typer.Option(help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE.")
]


def update(
    run: Run,
    store: Store,
    every: Annotated[
        str | None, typer.Option(help="Again and again, such as every 6h or 30m; else once.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for updates that gateways can read; `updates` beside the run."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Prepared data; what the run was trained on.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Setting as name=value, such as epochs=5.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    journal: Annotated[
        bool, typer.Option("--journal", help="Only list the decisions so far, newest first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from what came to the store; serve the result if it is better, else say why not."""
    from sqlalchemy.exc import SQLAlchemyError

    from genrec.config import load_config
    from genrec.pretrained.hub import find_model
    from genrec.updates.config import UpdateConfig
    from genrec.updates.update import Updater

    interval_s = None if every is None else parse_interval(every)
    chosen = load_config(UpdateConfig, config, settings or [])
    run = find_model(run)
    with opened(store) as engine:
        if journal:
            _list_decisions(engine, run, as_json)
            return
        updater = Updater(engine, run, out or run.parent / "updates", chosen, data, device)
        while True:
            began = time.monotonic()
            try:
                _tell(updater.update(), as_json)
            except (GenrecError, SQLAlchemyError) as error:
                # The next turn may find the store back, or better events.
                if interval_s is None:
                    raise
                console.print(error_line(GenrecError(str(error))), soft_wrap=True)
            if interval_s is None:
                return
            time.sleep(max(0.0, began + interval_s - time.monotonic()))


def rollback(run: Run, store: Store, as_json: AsJson = False) -> None:
    """Serve on every gateway what was served before the last promotion."""
    from genrec.artifacts import read_manifest
    from genrec.pretrained.hub import find_model
    from genrec.serving.store import Journal

    with opened(store) as engine:
        content_hash = read_manifest(find_model(run)).content_hash
        _tell(Journal(engine).roll_back(content_hash, "genrec rollback"), as_json)


def _tell(entry: Entry | None, as_json: bool) -> None:
    if entry is None:
        console.print("another updater is at work on this store: nothing was done")
    elif as_json:
        typer.echo(json.dumps(asdict(entry), ensure_ascii=False))
    else:
        serves = "" if entry.change is None else f" · serves {entry.path or 'the run as trained'}"
        show.output.print(f"{entry.decision}: {entry.reason}{serves}", soft_wrap=True)


def _list_decisions(engine: Engine, run: Path, as_json: bool) -> None:
    from genrec.artifacts import read_manifest
    from genrec.serving.store import Journal

    entries = Journal(engine).entries(read_manifest(run).content_hash)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], ensure_ascii=False))
    else:
        show.output.print(show.decisions(entries))


def parse_interval(text: str) -> int:
    """Return seconds from a text such as "6h".

    Raises:
        ConfigError: It is none.
    """
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None or match[1].strip("0") == "":
        raise ConfigError(f"--every {text!r}: write a number and s, m, h or d, such as 6h")
    return int(match[1]) * UNITS_S[match[2]]
