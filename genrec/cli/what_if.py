"""Options of what-if questions, and the command that explains an item."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from genrec.arguments import to_seconds
from genrec.cli import show
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
TurnUp = Annotated[
    list[str] | None,
    typer.Option(
        help='What if an interest were stronger: "NAME" or "NAME=NATS" (2 unless given); '
        "repeatable."
    ),
]
TurnDown = Annotated[
    list[str] | None, typer.Option(help="What if it were weaker: as --turn-up; repeatable.")
]


def read(
    as_of: str | None,
    without: Sequence[int] | None,
    turn_up: Sequence[str] | None,
    turn_down: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the arguments of ``Recommender.recommend`` that the options stand for.

    Raises:
        ConfigError: A number of nats that cannot be read.
        DataError: A time that cannot be read.
    """
    interest_bias: dict[str, float] = {}
    for options, sign in ((turn_up, 1.0), (turn_down, -1.0)):
        for option in options or ():
            name, nats = _read_turn(option)
            interest_bias[name] = interest_bias.get(name, 0.0) + sign * nats
    return {
        "as_of": None if as_of is None else to_seconds(as_of, "--as-of"),
        "without": list(without or ()),
        "interest_bias": interest_bias,
    }


def _read_turn(option: str) -> tuple[str, float]:
    """Return the name of an interest and how far it is turned, nats above 0."""
    name, equals, number = option.rpartition("=")
    if not equals:
        return option, DEFAULT_STRENGTH
    try:
        nats = float(number)
    except ValueError:
        return option, DEFAULT_STRENGTH
    if not nats > 0:
        raise ConfigError(f"'{option}': give nats above 0, and turn down with --turn-down")
    return name, nats


def explain(
    run: Annotated[Path, typer.Option(help="A run: base, pretrain, sft or merged.")],
    user: Annotated[str, typer.Option(help="User ID in the prepared data.")],
    item: Annotated[str, typer.Option(help="Item ID: a recommended one, or any other.")],
    at: At = None,
    event_type: Annotated[str | None, typer.Option(help="Kind of act to foresee.")] = None,
    as_of: AsOf = None,
    without: Without = None,
    turn_up: TurnUp = None,
    turn_down: TurnDown = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Prepared data of another catalogue to use the run on.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say why an item is recommended to a user: what each event does to its odds."""
    from genrec.recommender import Recommender

    what_if = read(as_of, without, turn_up, turn_down)
    recommender = Recommender.load(run, device)
    if catalogue is not None:
        recommender = recommender.with_catalogue(catalogue)
    found = recommender.explain(item, user, at=at, event_type=event_type, **what_if)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        show.output.print(show.explanation(found, user))
