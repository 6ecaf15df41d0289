"""What a gateway's store leads to: ``genrec export``, and ``genrec prepare --store``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genrec.progress import console

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from genrec.data.report import Report


def export(
    store: Annotated[
        str, typer.Option(help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; appears only when complete.")],
    since: Annotated[
        Path | None,
        typer.Option(
            help="An earlier export, or data joined with the store: what came after it; without "
            "it, all."
        ),
    ] = None,
) -> None:
    """Write what came to a gateway's store: events, items, and who is to be forgotten."""
    from genrec.serving.export import export as run
    from genrec.serving.export import position_of

    begin = None if since is None else position_of(since)
    with opened(store) as engine:
        found = run(engine, out, begin)
    console.print(
        f"wrote {out}: {found.events:,} events, {found.items:,} items, "
        f"{found.forgotten:,} forgotten users"
    )


def prepare(
    store: str, data: Path, out: Path, config: Path | None, settings: Sequence[str]
) -> Report:
    """Join prepared data with what came to a store since; its own settings hold unless given."""
    from genrec.config import load_config
    from genrec.data import Dataset
    from genrec.data.prepare import PrepareConfig
    from genrec.serving.export import prepare_from_store, settings_of

    base = Dataset.load(data)
    chosen = load_config(PrepareConfig, config, settings, settings_of(base))
    with opened(store) as engine:
        return prepare_from_store(engine, base, out, chosen)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Open a store that is there, brought up to date.

    Raises:
        ConfigError: There is none, or it cannot be used.
    """
    from genrec.serving.store import connect, migrate

    engine = connect(url, must_exist=True)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
