"""Options that say which run is asked, about whom and how it answers; and loading it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from genrec.devices import Arithmetic
from genrec.imports import without_garbage_collection

if TYPE_CHECKING:
    from genrec.recommender import Recommender

_RUN_HELP = "A run, or a model: folder, or name on the Hugging Face Hub."
Run = Annotated[Path, typer.Option(help=_RUN_HELP)]
RunIfAny = Annotated[Path | None, typer.Option(help=_RUN_HELP)]
HistoriesFrom = Annotated[
    Path | None,
    typer.Option("--histories", help="Prepared data to know users from; default: the run's."),
]
Catalogue = Annotated[
    Path | None,
    typer.Option(help="Prepared data of another catalogue to use the run on, through text."),
]
User = Annotated[str, typer.Option(help="User ID in the prepared data.")]
EventType = Annotated[str | None, typer.Option(help="Kind of act to predict.")]
Query = Annotated[
    str | None,
    typer.Option(help='What is looked for, in words: "something warm for a winter hike".'),
]
About = Annotated[
    str | None,
    typer.Option(help='What the user says of themselves: "I bake, and I walk my dogs."'),
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU where there is one.")]
InArithmetic = Annotated[
    Arithmetic,
    typer.Option(
        help="In what precision the model computes: float32, bfloat16, model (that of its "
        "weights), rescored (searched like model, scored in float32), or auto."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


class EngineSettings(NamedTuple):
    """How a run is asked; None: as in training. See ``Recommender.from_pretrained``."""

    sasrec_weight: float | None = None
    new_item_boost: float | None = None
    arithmetic: Arithmetic = "auto"


AS_TRAINED = EngineSettings()


def load_run(
    run: Path,
    device: str | None,
    num_beams: int = 50,
    catalogue: Path | None = None,
    settings: EngineSettings = AS_TRAINED,
    histories: Path | None = None,
) -> Recommender:
    """Load a run, for another catalogue than its own where one is given."""
    with without_garbage_collection():
        from genrec.recommender import Recommender

    recommender = Recommender.from_pretrained(
        run, device, num_beams, histories=histories, **settings._asdict()
    )
    return recommender if catalogue is None else recommender.with_catalogue(catalogue)
