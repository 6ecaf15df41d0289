"""Commands that ask a finished run: recommend, interests, prompt, evaluate, demo."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genrec.cli import show
from genrec.evaluate.harness import AskAt
from genrec.progress import console
from genrec.schema import Ranker, Split

if TYPE_CHECKING:
    from genrec.recommend import Recommender

Run = Annotated[Path, typer.Option(help="A run: base, pretrain, sft or merged.")]
User = Annotated[str, typer.Option(help="User ID in the prepared data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
At = Annotated[
    int | None, typer.Option(help="Moment of asking, seconds since 1970; default: the last event.")
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU where there is one.")]


def recommend(
    run: Run,
    user: User,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    exclude: Annotated[list[str] | None, typer.Option(help="Item ID never to return.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Return nothing but these items.")] = None,
    repeats: Annotated[bool, typer.Option(help="Items already seen may come again.")] = False,
    at: At = None,
    event_type: Annotated[str | None, typer.Option(help="Kind of act to foresee.")] = None,
    num_beams: Annotated[int, typer.Option(help="Width of the search.")] = 50,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user."""
    found = _load(run, device, num_beams).recommend(
        user,
        k=k,
        exclude=exclude or (),
        only=only or None,
        at=at,
        event_type=event_type,
        repeats=repeats,
    )
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], ensure_ascii=False, indent=2))
    else:
        show.output.print(show.recommendations(found, user))


def interests(run: Run, user: User, device: Device = None, as_json: AsJson = False) -> None:
    """Say what a user cares about, in words that their events support."""
    recommender = _load(run, device)
    summary = recommender.interests(user)
    expected = recommender.next_interests(user)
    if as_json:
        content = asdict(summary) | {
            "next": [{"name": name, "probability": share} for name, share in expected]
        }
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        show.output.print(show.interests(summary, expected, user))


def prompt(
    run: Run,
    user: User,
    at: At = None,
    event_type: Annotated[str | None, typer.Option(help="Kind of act to foresee.")] = None,
) -> None:
    """Print exactly what the model reads, and how many tokens that is."""
    text, tokens = _load(run, "cpu").prompt(user, at=at, event_type=event_type)
    typer.echo(text)
    console.print(f"{tokens} tokens")


def evaluate(
    run: Run,
    split: Annotated[Split, typer.Option(help="valid or test.")] = "test",
    ask_at: Annotated[
        AskAt, typer.Option(help="Ask at the time of the 'target' event or of the 'last' one.")
    ] = "target",
    max_users: Annotated[int | None, typer.Option(help="A sample of users; default: all.")] = None,
    num_beams: Annotated[int, typer.Option(help="Width of the search.")] = 50,
    baselines: Annotated[bool, typer.Option(help="Run the cheap baselines too.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Also save it here, for `compare` and `lint-report`.")
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Rank the whole catalogue for held-out events, beside the cheap baselines."""
    from genrec.evaluate import compare, fit_baselines, save_evaluation

    recommender = _load(run, device, num_beams)
    rankers: list[Ranker] = [recommender]
    rankers += fit_baselines(recommender.data) if baselines else []
    report = compare(
        rankers,
        recommender.data,
        split,
        ask_at=ask_at,
        max_users=max_users,
        num_beams=num_beams,
    )
    if out is not None:
        save_evaluation(report, out, {"run": run, "data": recommender.data.path})
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        show.output.print(report.table())


def demo(run: Run, user: Annotated[str | None, typer.Option(help="Whom to show.")] = None) -> None:
    """Show one user's story: timeline, recommendations, interests, and how good the model is."""
    from genrec.evaluate import compare, fit_baselines

    recommender = _load(run, None)
    user = user or show.pick_user(recommender.data)
    show.output.print(show.timeline(recommender.data, user))
    show.output.print(show.recommendations(recommender.recommend(user, k=10), user))
    summary, expected = recommender.interests(user), recommender.next_interests(user)
    show.output.print(show.interests(summary, expected, user))
    rankers: list[Ranker] = [recommender, *fit_baselines(recommender.data)]
    report = compare(rankers, recommender.data, "test")
    show.output.print(report.table(["recall@10", "ndcg@10"]))


def _load(run: Path, device: str | None, num_beams: int = 50) -> Recommender:
    from genrec.recommend import Recommender

    return Recommender.load(run, device, num_beams)
