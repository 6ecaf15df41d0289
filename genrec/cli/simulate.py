"""genrec simulate: toy users live through days and answer what they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrec.errors import ConfigError
from genrec.progress import console


def simulate(
    toy: Annotated[Path, typer.Option(help="Toy world (`genrec toy`) that the users come from.")],
    data: Annotated[Path, typer.Option(help="Prepared data of that world.")],
    arms: Annotated[
        list[str],
        typer.Option(
            "--arm",
            help="NAME=RUN (served here, with a store of its own), NAME=URL of a gateway, or "
            "NAME=markov, counted anew each day. The first one is the control.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder, for days.csv and the stores.")],
    days: Annotated[int, typer.Option(min=1, help="How many.")] = 30,
    visits: Annotated[int, typer.Option(min=1, help="Users who come each day.")] = 100,
    k: Annotated[int, typer.Option("-k", min=1, help="Items on a page.")] = 10,
    drift: Annotated[
        float, typer.Option(min=0, max=1, help="How much of what users want changes.")
    ] = 0.5,
    clients: Annotated[
        int, typer.Option(min=1, help="Users served at once: faster, and not quite repeatable.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    each_day: Annotated[
        list[str] | None,
        typer.Option(
            help="ARM=COMMAND for the shell after each day; it finds GENREC_URL, GENREC_DAY, "
            "GENREC_NOW and, of a run, GENREC_RUN and GENREC_STORE. Repeatable."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="ARM.NAME=VALUE: a setting of a gateway that is started here, such as "
            "frozen.live_counts_s=0. Repeatable.",
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="GENREC_KEY", help="API key of gateways named by URL.")
    ] = None,
) -> None:
    """Let toy users with drifting interests live through days under one or several arms."""
    from genrec.data.dataset import Dataset
    from genrec.data.toy.files import read_config
    from genrec.simulation import SimulationConfig
    from genrec.simulation import simulate as run
    from genrec.simulation.opening import first_second, opened, read_changes, read_pairs

    wanted = read_pairs(arms, "--arm")
    commands = read_pairs(each_day or [], "--each-day")
    settings = read_changes(changes or [])
    if out.exists():
        raise ConfigError(f"{out} exists; days begin with new stores, so give a new folder")
    world, prepared = read_config(toy), Dataset.load(data)
    config = SimulationConfig(
        days=days, visits=visits, k=k, drift=drift, clients=clients, seed=seed
    )
    begin = first_second(prepared, days, wanted)
    with opened(wanted, commands, prepared, out, begin, key, settings) as ready:
        results = run(world, config, ready, begin)
    out.mkdir(parents=True, exist_ok=True)
    results.write(out / "days.csv")
    console.print(f"wrote {out / 'days.csv'}")
    typer.echo(results.summary())
