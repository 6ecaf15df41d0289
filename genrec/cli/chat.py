"""The command that talks: one line in, one answer out, until the lines end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from genrec.cli import show
from genrec.cli.runs import About, Device, HistoriesFrom, Run, load_run
from genrec.errors import DataError
from genrec.progress import console

if TYPE_CHECKING:
    from genrec.zero_shot.talk import Talker


def chat(
    run: Run,
    user: Annotated[
        str | None, typer.Option(help="User ID in the prepared data; default: somebody new.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many items at most.")] = 5,
    about: About = None,
    talk: Annotated[
        str | None,
        typer.Option(
            help="Chat model that introduces answers: URL (OpenAI-compatible), folder or name; "
            "default: none does."
        ),
    ] = None,
    talk_model: Annotated[
        str | None, typer.Option(help="What the server at that URL calls it; default: its first.")
    ] = None,
    device: Device = None,
    histories: HistoriesFrom = None,
) -> None:
    """Refine a wish turn by turn: "a grinder", "cheaper", "not that brand"; an end of file ends."""
    recommender = load_run(run, device, histories=histories)
    talker = None if talk is None else _load_talker(talk, talk_model, device)
    events = None if user is not None else ()
    state = None
    for line in typer.get_text_stream("stdin"):
        if not line.strip():
            continue
        try:
            answer = recommender.chat(line, user, events, k, state, talker, about=about)
        except DataError as error:
            # A line that cannot be read must not end the conversation.
            console.print(str(error), style="red", markup=False)
            continue
        state = answer.state
        show.output.print(answer.text, markup=False)


def _load_talker(model: str, model_name: str | None, device: str | None) -> Talker:
    from genrec.zero_shot.talk import Talker

    return Talker.load(model, model_name=model_name, device=device)
