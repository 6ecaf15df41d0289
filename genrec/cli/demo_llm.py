"""What a pretrained model adds, as a story: new items, one review, a summary in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from genrec.cli import show
from genrec.cli.runs import Run, load_run
from genrec.schema import Event, History, Item, Request, SemanticId

if TYPE_CHECKING:
    from genrec.data import Dataset
    from genrec.interests.summary.check import Summary
    from genrec.recommender import Recommender

    Both = Mapping[str, Recommender]

PRETRAINED, SCRATCH = "pretrained", "from scratch"
K = 10
BEAMS = 20
SHOWN = 3
"""Items of a list, where one is shown."""
FANS = 2
"""Users who should get a new item."""
Case = tuple[Request, str]
"""A request, and the item that its list should hold."""


def demo_llm(
    run: Run,
    scratch: Annotated[Path, typer.Option(help="A run of the same toy data, from scratch.")],
    chat: Annotated[str, typer.Option(help="The stock chat model that summarizes.")] = "smollm2",
    users: Annotated[int, typer.Option(help="Users that are counted.")] = 40,
) -> None:
    """Show what a pretrained model adds in the toy shop, beside a run from scratch."""
    from genrec.baselines import Markov
    from genrec.data.toy.catalogue import THEME_ITEMS, load_catalogue
    from genrec.data.toy.unseen import load_new_items, load_wishes
    from genrec.evaluate import compare

    both = {
        name: load_run(one, None, BEAMS) for name, one in ((PRETRAINED, run), (SCRATCH, scratch))
    }
    for name, recommender in both.items():
        recommender.name = name
    data = both[PRETRAINED].data
    catalogue = load_catalogue(len(data.items) // THEME_ITEMS)
    known = [example.history for example in data.examples("test")][:users]

    def tell(heading: str, told: Group) -> None:
        show.output.print(Text(f"\n{heading}", "bold"), told, sep="\n")

    # Before there are new items in the lists.
    report = compare([*both.values(), Markov.fit(data)], data, "test", max_users=users)
    tell("1. Everybody's next event", report.tables(["recall@10", "ndcg@10"]))
    tell("2. A new item, found by its description", new_items(both, load_new_items(catalogue)))
    tell("3. A user known by one review", one_review(both, load_wishes(catalogue)))
    tell("4. A summary in its own words", own_words(both, chat, known))


def new_items(both: Both, new: Sequence[tuple[Item, str]]) -> Group:
    """Tell which kind new items are taken for, and whether people of that kind get them."""
    data = both[PRETRAINED].data
    cases = [
        (Request(history), item.item_id)
        for item, theme in new
        for history in _fans_of(theme, data)[:FANS]
    ]
    table, counts = Table("new item", "description"), Table("new items", *both)
    stand, offered = [], []
    columns = []
    for name, recommender in both.items():
        table.add_column(f"{name}: taken for")
        codes = recommender.add_items([item for item, _ in new])
        columns.append([_kind_at(one, recommender) for one in codes])
        right = sum(kind == theme for kind, (_, theme) in zip(columns[-1], new, strict=True))
        stand.append(f"{right} of {len(new)}")
        offered.append(_share_held(recommender, cases))
    for (item, _), *kinds in zip(new, *columns, strict=True):
        table.add_row(Text(item.label), Text(item.description or ""), *kinds)
    counts.add_row("taken for what they are", *stand)
    counts.add_row(f"among the {K} of people who just took two things of the kind", *offered)
    return Group("Nobody took them yet, and the shop hardly knows their words.", table, counts)


def one_review(both: Both, wishes: Sequence[tuple[str, Item]]) -> Group:
    """Tell what people get of whom one event is known: with their review, and without."""
    data = both[PRETRAINED].data
    named = [
        (Request(History("visitor", (last,))), target.item_id)
        for example in data.examples("test")
        for last, target in [(example.history.events[-1], example.targets[0])]
        if _is_named(data.items[data.item_index[target.item_id]], last.review or "")
    ]
    worded = [
        (Request(History("visitor", (Event("visitor", _another(item, data), 1_700_000_000,
                                           "purchase", 5.0, review=review),))), item.item_id)
        for review, item in wishes
    ]  # fmt: skip
    review, wanted = wishes[0]
    table = Table("#", *both, title=f'"{review}"', title_justify="left")
    lists = [recommender.recommend_many([worded[0][0]], SHOWN)[0] for recommender in both.values()]
    for place, row in enumerate(zip(*lists, strict=True), start=1):
        table.add_row(
            str(place),
            *(
                Text(one.title or "", "bold" if one.item_id == wanted.item_id else "")
                for one in row
            ),
        )
    counts = Table(f"is what they want among the {K}?", *both)
    for label, cases in (("the review names it", named), ("the review says it otherwise", worded)):
        silent = [(_without_review(request), item_id) for request, item_id in cases]
        counts.add_row(label, *(_share_held(one, cases) for one in both.values()))
        counts.add_row("… left out", *(_share_held(one, silent) for one in both.values()))
    return Group(table, counts)


def own_words(both: Both, chat: str, histories: Sequence[History]) -> Group:
    """Tell what a stock chat model says of a user, and what tuned models do, who may be trusted."""
    from genrec.recommender import Recommender
    from genrec.zero_shot.config import ZeroShotConfig

    data = both[PRETRAINED].data
    stock = Recommender.zero_shot(chat, data.path, ZeroShotConfig())
    untuned = stock.interests_many(histories[:SHOWN])
    stock.close()
    told = {name: recommender.interests_many(histories) for name, recommender in both.items()}
    said = {f"{chat}, as it comes": untuned} | {f"{name}, tuned": one for name, one in told.items()}
    table, counts = Table("user", *said), Table("interests named", *said)
    for place, history in enumerate(histories[:SHOWN]):
        table.add_row(history.user_id, *(Text(one[place].words) for one in said.values()))
    counts.add_row("users", *(str(len(one)) for one in said.values()))
    counts.add_row("had their evidence before the check", *map(_evident, said.values()))
    return Group(
        "A chat model's sentences are its own; tuned models choose among wordings of ours. What "
        "names an interest without two events of it is taken out of both.",
        table,
        counts,
    )


def _kind_at(codes: SemanticId, recommender: Recommender) -> str:
    """Return the theme of most old items whose IDs begin as one does, the longest way."""
    for length in range(len(codes) - 1, 0, -1):
        themes = Counter(
            item.categories[1]
            for item in recommender.data.items
            if recommender.codes_of(item.item_id)[:length] == codes[:length]
        )
        if themes:
            return themes.most_common(1)[0][0]
    return "nothing"


def _fans_of(theme: str, data: Dataset) -> list[History]:
    """Return the histories whose last two events are of a theme."""
    items = {item.item_id for item in data.items if theme in item.categories}
    histories = (example.history for example in data.examples("test"))
    return [one for one in histories if {event.item_id for event in one.events[-2:]} <= items]


def _is_named(item: Item, review: str) -> bool:
    """Tell whether a review names an item, as people do: without its brand."""
    return (item.title or "").removeprefix(f"{item.brand} ") in review


def _another(item: Item, data: Dataset) -> str:
    """Return another item of an item's theme, from another corner of it."""
    return next(
        one.item_id
        for one in data.items
        if one.categories[1] == item.categories[1] and one.categories[2] != item.categories[2]
    )


def _without_review(request: Request) -> Request:
    (event,) = request.history.events
    silent = replace(event, title=None, review=None)
    return replace(request, history=replace(request.history, events=(silent,)))


def _share_held(recommender: Recommender, cases: Sequence[Case]) -> str:
    """Return how many lists hold what they should."""
    lists = recommender.recommend_many([request for request, _ in cases], K)
    held = sum(
        item_id in {one.item_id for one in found}
        for found, (_, item_id) in zip(lists, cases, strict=True)
    )
    return f"{held} of {len(cases)}"


def _evident(summaries: Sequence[Summary]) -> str:
    """Return how many of the interests that a model named the events support."""
    kept = sum(len(one.interests) for one in summaries if one.by_model)
    named = kept + sum(len(one.unsupported) for one in summaries)
    return f"{kept} of {named}"
