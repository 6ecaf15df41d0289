"""Commands that ask a run: recommend, interests, prompt, evaluate, demo; and baseline."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrec.cli import batch, rules, show, what_if, zero_shot
from genrec.cli.build import Data
from genrec.cli.runs import (
    AS_TRAINED,
    About,
    AsJson,
    Catalogue,
    Device,
    EngineSettings,
    EventType,
    HistoriesFrom,
    InArithmetic,
    Query,
    Run,
    RunIfAny,
    User,
    load_run,
)
from genrec.errors import ConfigError
from genrec.progress import console
from genrec.schema import MIN_EVIDENCE, AskAt, History, Ranker, Recommendation, Request, Split

if TYPE_CHECKING:
    from genrec.interests.timeline.evolution import Evolution
    from genrec.recommender import Recommender
    from genrec.zero_shot.recommender import ZeroShotRecommender

TOP = 5
"""Interests that are expected next, as many as are said."""

EvaluatedSplit = Annotated[Split, typer.Option(help="valid or test.")]
Moment = Annotated[
    AskAt, typer.Option(help="Ask at the time of the 'target' event or of the 'last' one.")
]
MaxUsers = Annotated[int | None, typer.Option(help="A sample of users; default: all.")]
LastEvents = Annotated[
    int | None,
    typer.Option(help="Ask as if only so many events of each history were known; default: all."),
]
NewItemBoost = Annotated[
    float | None,
    typer.Option(
        help="Nats added for items that training never met, or a few times of late: more of them "
        "are shown, at the cost of the others; default: as learned in training."
    ),
]
SaveTo = Annotated[
    Path | None, typer.Option(help="Also save it here, for `compare` and `lint-report`.")
]


@zero_shot.with_options
def recommend(
    user: Annotated[str | None, typer.Option(help="User ID in the prepared data.")] = None,
    run: RunIfAny = None,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    exclude: Annotated[list[str] | None, typer.Option(help="Item ID never to return.")] = None,
    candidates: Annotated[
        list[str] | None, typer.Option(help="Return only these items; repeatable.")
    ] = None,
    filters: rules.Filter = None,
    wanted: rules.Rules = None,
    preferences: rules.Preferences = None,
    filter_seen: Annotated[bool, typer.Option(help="Leave out items the user has seen.")] = True,
    at: what_if.At = None,
    event_type: EventType = None,
    query: Query = None,
    about: About = None,
    as_of: what_if.AsOf = None,
    without: what_if.Without = None,
    boost: what_if.Boost = None,
    dampen: what_if.Dampen = None,
    new_item_boost: NewItemBoost = None,
    arithmetic: InArithmetic = "auto",
    num_beams: Annotated[int, typer.Option(help="Width of the search.")] = 50,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Say which scorer brought each item.")
    ] = False,
    device: Device = None,
    as_json: AsJson = False,
    catalogue: Catalogue = None,
    histories: HistoriesFrom = None,
    users: batch.Users = None,
    out: batch.Out = None,
    ray: batch.OnRay = None,
    ray_address: batch.RayAddress = None,
    vllm: batch.Vllm = None,
    shard_users: batch.ShardUsers = 1024,
    options: zero_shot.ZeroShotOptions = zero_shot.NOT_ASKED,
) -> None:
    """Recommend items to a user, as things are or as they might be; or to many, into a file."""
    if (user is None) == (users is None) and (about is None or user is not None):
        raise ConfigError(
            "give one user (--user ID), somebody new (--about TEXT), or many (--users all, or a "
            "file of IDs)"
        )
    if users is not None:
        asked = (
            exclude,
            candidates,
            filters,
            wanted,
            preferences,
            at,
            event_type,
            query,
            about,
            as_of,
        )
        changed = (without, boost, dampen, catalogue, new_item_boost)
        is_asked = any(each is not None for each in (*asked, *changed))
        if is_asked or arithmetic != "auto" or provenance or options.given or as_json:
            raise ConfigError("--users goes with --histories, -k, --filter-seen and --num-beams")
        batch.recommend_many(
            *(run, users, out, histories, k, filter_seen, num_beams, device, vllm),
            *(ray, ray_address, shard_users),
        )
        return
    if any(each is not None for each in (out, ray, ray_address, vllm)):
        raise ConfigError("--out, --ray, --ray-address and --vllm go with --users")
    supposed = what_if.read(as_of, without, boost, dampen)
    supposed |= rules.read(filters, wanted, preferences)
    settings = EngineSettings(new_item_boost=new_item_boost, arithmetic=arithmetic)
    recommender = _load_recommender(run, options, device, num_beams, catalogue, settings, histories)
    found = recommender.recommend(
        user,
        None if user is not None else (),
        k=k,
        exclude=exclude or (),
        candidates=candidates or None,
        at=at,
        event_type=event_type,
        filter_seen=filter_seen,
        query=query,
        about=about,
        **supposed,
    )
    if as_json:
        rows = [_to_json(item, provenance) for item in found]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        shown = show.recommendations(found, user or "somebody new", provenance)
        show.output.print(shown)
    zero_shot.finish(recommender)


def _to_json(item: Recommendation, provenance: bool) -> dict[str, Any]:
    fields = asdict(item)
    said = {name: fields.pop(name) for name in ("placed_by", "parts", "draw")}
    return {**fields, "brought_by": item.brought_by, **said} if provenance else fields


@zero_shot.with_options
def interests(
    user: User,
    run: RunIfAny = None,
    min_evidence: Annotated[
        int, typer.Option(min=1, help="Fewest events that an interest rests on.")
    ] = MIN_EVIDENCE,
    at: what_if.AsOf = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the interests over time: .png, .svg or .pdf.")
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
    catalogue: Catalogue = None,
    histories: HistoriesFrom = None,
    options: zero_shot.ZeroShotOptions = zero_shot.NOT_ASKED,
) -> None:
    """Say what a user cares about, in words that their events support, and how it moves."""
    from genrec.arguments import to_seconds

    recommender = _load_recommender(run, options, device, catalogue=catalogue, histories=histories)
    history = recommender.history(user)
    if at is not None:
        history = history.before(to_seconds(at, "--at"))
    summary = recommender.interests(events=history.events, min_evidence=min_evidence)
    evolution = _evolve(recommender, history, plot)
    if evolution is None:
        expected = list(recommender.next_interests(events=history.events))
    else:
        expected = evolution.next_event(TOP)
    if as_json:
        content = asdict(summary) | {
            "summary": summary.content.model_dump(),
            "next": [{"name": name, "probability": share} for name, share in expected],
        }
        del content["content"]
        if evolution is not None:
            content["evolution"] = evolution.to_json()
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        show.output.print(show.interests(summary, expected, user))
        if evolution is not None:
            show.output.print(show.evolution(evolution))
        if plot is not None:
            console.print(f"drew {plot}")
    zero_shot.finish(recommender)


def prompt(
    run: Run,
    user: User,
    at: what_if.At = None,
    event_type: EventType = None,
    query: Query = None,
    about: About = None,
    histories: HistoriesFrom = None,
) -> None:
    """Print exactly what the model reads, and how many tokens that is."""
    text, tokens = load_run(run, "cpu", histories=histories).prompt(
        user, at=at, event_type=event_type, query=query, about=about
    )
    typer.echo(text)
    console.print(f"{tokens} tokens")


@zero_shot.with_options
def evaluate(
    run: RunIfAny = None,
    split: EvaluatedSplit = "test",
    ask_at: Moment = "target",
    max_users: MaxUsers = None,
    last_events: LastEvents = None,
    num_beams: Annotated[int, typer.Option(help="Width of the search.")] = 50,
    sasrec_weight: Annotated[
        float | None,
        typer.Option(help="Part of the SASRec head, 0 to 1; default: as chosen in training."),
    ] = None,
    new_item_boost: NewItemBoost = None,
    arithmetic: InArithmetic = "auto",
    baselines: Annotated[bool, typer.Option(help="Run the cheap baselines too.")] = True,
    out: SaveTo = None,
    device: Device = None,
    as_json: AsJson = False,
    catalogue: Catalogue = None,
    histories: HistoriesFrom = None,
    options: zero_shot.ZeroShotOptions = zero_shot.NOT_ASKED,
) -> None:
    """Rank the whole catalogue for held-out events, beside the cheap baselines.

    With --zero-shot a chat model is asked by prompt, beside the run where one is given.
    """
    from genrec.artifacts import check_output
    from genrec.baselines import fit_baselines
    from genrec.evaluate import compare, save_evaluation

    if out is not None:
        check_output(out)
    settings = EngineSettings(sasrec_weight, new_item_boost, arithmetic)
    if options.zero_shot and run is not None:
        recommender = _load_recommender(
            None, options, device, catalogue=catalogue, histories=histories
        )
        beside = load_run(run, device, num_beams, settings=settings)
        rankers: list[Ranker] = [recommender, zero_shot.on_same_data(beside, recommender)]
    else:
        recommender = _load_recommender(
            run, options, device, num_beams, catalogue, settings, histories
        )
        rankers = [recommender]
    rankers += fit_baselines(recommender.data) if baselines else []
    report = compare(
        rankers,
        recommender.data,
        split,
        ask_at=ask_at,
        max_users=max_users,
        last_events=last_events,
        num_beams=None if options.zero_shot else num_beams,
    )
    report = zero_shot.with_report(report, recommender)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        show.output.print(report.tables())
        zero_shot.show_report(recommender)
    if out is not None:
        parents = {"data": recommender.data.path} | ({"run": run} if run is not None else {})
        asked = settings._asdict().items()
        recipe = {name: value for name, value in asked if value not in (None, "auto")}
        save_evaluation(report, out, parents, recipe or None)


def baseline(
    name: Annotated[str, typer.Argument(help="Such as text-similarity or tiger.")],
    data: Data,
    index: Annotated[
        Path | None,
        typer.Option(help="Its ID table (`genrec index`), for those that read IDs."),
    ] = None,
    split: EvaluatedSplit = "test",
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    ask_at: Moment = "target",
    max_users: MaxUsers = None,
    last_events: LastEvents = None,
    out: SaveTo = None,
    device: Device = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting as name=value; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a baseline on the train split and rank with it as `evaluate` does with a run."""
    from genrec.baselines.fit_and_evaluate import fit_and_evaluate

    report = fit_and_evaluate(
        name,
        data,
        index,
        split,
        seed,
        ask_at,
        max_users,
        out,
        device,
        overrides or (),
        last_events,
    )
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        show.output.print(report.tables())


def demo(
    run: Run,
    user: Annotated[str | None, typer.Option(help="Whom to show.")] = None,
    histories: HistoriesFrom = None,
) -> None:
    """Show one user's story: timeline, recommendations, interests, and how good the model is."""
    from genrec.baselines import fit_baselines
    from genrec.evaluate import compare
    from genrec.evaluate.harness import check_questions

    recommender = load_run(run, None, histories=histories)
    check_questions(recommender.data, "test")
    user = user or show.pick_user(recommender.data)
    show.output.print(show.timeline(recommender.data, user))
    show.output.print(show.recommendations(recommender.recommend(user, k=10), user))
    evolution = recommender.evolution(user)
    summary = recommender.interests(user)
    show.output.print(show.interests(summary, evolution.next_event(TOP), user))
    show.output.print(show.evolution(evolution))
    rankers: list[Ranker] = [recommender, *fit_baselines(recommender.data)]
    report = compare(rankers, recommender.data, "test")
    show.output.print(report.tables(["recall@10", "ndcg@10"]))


def _evolve(
    recommender: Recommender | ZeroShotRecommender, history: History, plot: Path | None
) -> Evolution | None:
    """Follow a history, and draw it where that is asked; a chat model states no distribution."""
    from genrec.interests.timeline.plot import plot_stream
    from genrec.recommender import Recommender

    if not isinstance(recommender, Recommender):
        if plot is not None:
            raise ConfigError("a chat model states no shares over time to draw; give a run (--run)")
        return None
    evolution = recommender.evolutions([Request(history)])[0]
    if plot is not None:
        plot_stream(evolution, plot)
    return evolution


def _load_recommender(
    run: Path | None,
    options: zero_shot.ZeroShotOptions,
    device: str | None,
    num_beams: int = 50,
    catalogue: Path | None = None,
    settings: EngineSettings = AS_TRAINED,
    histories: Path | None = None,
) -> Recommender | ZeroShotRecommender:
    if options.zero_shot:
        of_a_run = (run, catalogue, histories)
        if settings != AS_TRAINED or any(each is not None for each in of_a_run):
            raise ConfigError(
                "--zero-shot asks a stock model about --data: leave out what is of a run (--run, "
                "--catalogue, --histories, --new-item-boost, --arithmetic)"
            )
        return zero_shot.load(options, device)
    if options.given:
        raise ConfigError(f"{options.given[0]} goes with --zero-shot")
    if run is None:
        raise ConfigError("give a run (--run DIR), or ask a stock model with --zero-shot")
    return load_run(run, device, num_beams, catalogue, settings, histories)
