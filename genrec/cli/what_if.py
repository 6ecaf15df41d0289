"""Options of what-if questions, and the command that explains an item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from genrec.cli import show
from genrec.cli.runs import (
    AsJson,
    Catalogue,
    Device,
    EventType,
    HistoriesFrom,
    Query,
    Run,
    User,
    load_run,
)
from genrec.errors import ConfigError

DEFAULT_STRENGTH = 2.0
"""How far an interest is turned where nobody says: its odds are multiplied or divided by 7.4."""

AsOf = Annotated[
    str | None,
    typer.Option(
        help="What if it were then: ISO date or time (UTC), or seconds; later events are unknown."
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        help="Moment of asking: ISO date or time (UTC), or seconds; default: the last event."
    ),
]
Without = Annotated[
    list[int] | None,
    typer.Option(
        help="What if an event had never been: its number in `genrec explain`, 1 the oldest, -1 "
        "the newest; repeatable."
    ),
]
Boost = Annotated[
    list[str] | None,
    typer.Option(
        help='Boost an interest: "NAME" or "NAME=STRENGTH" in nats (default 2); repeatable.'
    ),
]
Dampen = Annotated[
    list[str] | None, typer.Option(help="Dampen an interest, in the form of --boost; repeatable.")
]


def read(
    as_of: str | None,
    without: Sequence[int] | None,
    boost: Sequence[str] | None,
    dampen: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the arguments of ``Recommender.recommend`` that the options stand for.

    Raises:
        ConfigError: A strength that cannot be read.
        DataError: A time that cannot be read.
    """
    from genrec.arguments import to_seconds

    interest_bias: dict[str, float] = {}
    for options, sign in ((boost, 1.0), (dampen, -1.0)):
        for option in options or ():
            name, strength = _read_strength(option)
            interest_bias[name] = interest_bias.get(name, 0.0) + sign * strength
    return {
        "as_of": None if as_of is None else to_seconds(as_of, "--as-of"),
        "without": list(without or ()),
        "interest_bias": interest_bias,
    }


def _read_strength(option: str) -> tuple[str, float]:
    """Return the name of an interest and the strength, above 0."""
    name, equals, number = option.rpartition("=")
    if not equals:
        return option, DEFAULT_STRENGTH
    try:
        strength = float(number)
    except ValueError:
        return option, DEFAULT_STRENGTH
    if not strength > 0:
        raise ConfigError(
            f"'{option}': give a strength above 0; use --dampen to weaken an interest"
        )
    return name, strength


def explain(
    run: Run,
    user: User,
    item: Annotated[str, typer.Option(help="Item ID: a recommended one, or any other.")],
    at: At = None,
    event_type: EventType = None,
    query: Query = None,
    as_of: AsOf = None,
    without: Without = None,
    boost: Boost = None,
    dampen: Dampen = None,
    catalogue: Catalogue = None,
    histories: HistoriesFrom = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Say why an item is recommended to a user: what each event does to its odds."""
    what_if = read(as_of, without, boost, dampen)
    recommender = load_run(run, device, catalogue=catalogue, histories=histories)
    found = recommender.explain(item, user, at=at, event_type=event_type, query=query, **what_if)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        show.output.print(show.explanation(found, user))
