"""Options that say what items and lists must be like, and the command that finds items like one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from genrec.cli import show
from genrec.cli.runs import AsJson, Device, Run, load_run
from genrec.errors import ConfigError
from genrec.schema import Likeness

Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        help='What items must be like, as JSON: \'{"brand": "Acme", "price": {"lte": 20}}\'.',
    ),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        help='What the list must be like, as JSON: \'{"at_most": 2, "per": "brand"}\'; repeatable.',
    ),
]


Preferences = Annotated[
    list[str] | None,
    typer.Option(
        "--preferences",
        help='What the user says of their own profile, as JSON: \'{"less": "Tea"}\'; repeatable.',
    ),
]


def read(
    written: str | None, rules: Sequence[str] | None, preferences: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the arguments of ``Recommender.recommend`` that the options stand for.

    Raises:
        ConfigError: One is no JSON.
    """
    return {
        "filters": None if written is None else _json(written, "--filter"),
        "rules": [_json(rule, "--rule") for rule in rules or ()],
        "preferences": [_json(one, "--preferences") for one in preferences or ()],
    }


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{option} {text!r} is no JSON: {error}") from None


def similar(
    run: Run,
    item: Annotated[str, typer.Option(help="Item ID.")],
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    by: Annotated[
        Likeness,
        typer.Option(
            help="text: their words; behaviour: what is done with them; both: their semantic IDs."
        ),
    ] = "both",
    filters: Filter = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Find the items most like one."""
    recommender = load_run(run, device)
    found = recommender.similar_to(item, k, by, read(filters, None)["filters"])
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        show.output.print(show.items(found, f"Like {recommender.item(item).label}", "cosine"))
