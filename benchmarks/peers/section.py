"""The section of docs/results.md about the same job in other libraries.

Enters: what ``python -m benchmarks.peers`` measured (results.json). Leaves: Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
INTRODUCTION = """\
## The same job in other libraries

Recommend 10 unseen items to everybody, into one Parquet file (`make bench-peers`): each library
through the script that its user would write, `benchmarks/peers/with_genrec.py` and its neighbours.
The data are the toy shop of `make demo`: {users:,} users, {items:,} items, data `{data}`. Nobody
trains on the test events, nor on any event of {new_items} items, which are new in this way.
RecTools and cornac train a SASRec of the shape of genrec's own (width 64, one block, one head, 50
events), with the best number of epochs tried, by validation events (their scripts name them; the
most tried were the best, so still more may help). genrec trains the language model of the demo,
with that SASRec inside, and holds out validation events to stop by. One thread of {processor};
seconds are the processor's.
"""
NOTES = """\
N@10 is of the {asked_users:,} users whose test event is not of a new item, asked right after the
event before it; the toy shop is of our own making, so it says little of other data. A user out of
the ordinary gets so many rows: one whom genrec gives none stands in its file of rejects with the
reason, and cornac gives all items the same score where it knows none of a user's. No file holds
titles or reasons: genrec gives both in calls of their own (`recommend` for one user, `explain`),
the two SASRecs do not.
"""
ODD = {
    "only_new": "rows of a user whose one event is of a new item",
    "only_unknown": "… of an item in no catalogue",
    "partly_unknown": "… whose last event of many is of such an item",
}
Found = Mapping[str, Any]


def write_section(results: Found) -> str:
    """Return the section, libraries side by side."""
    libraries: Mapping[str, Found] = results["libraries"]
    rows: dict[str, Callable[[Found], str]] = {
        "versions": _versions,
        "lines of the user's code": lambda each: str(each["code_lines"]),
        "training, s": lambda each: f"{each['fit_cpu_s']:.0f}",
        f"users/s, of {results['many_users']:,} made up": lambda each: (
            f"{each['users_per_cpu_s']:,.0f}"
        ),
        "N@10": lambda each: _interval(each["ndcg@10"], ""),
        "lead of genrec in N@10": lambda each: _interval(each["lead"], "+"),
        "columns of the file": lambda each: ", ".join(f"`{name}`" for name in each["columns"]),
        "users in the file": lambda each: f"{each['answered_users']:,}",
        "new items recommended": lambda each: (
            f"{each['new_items_recommended']} of {results['new_items']}, "
            f"{each['share_of_new_items']:.1%} of the rows"
        ),
        **{label: _odd(name) for name, label in ODD.items()},
        # More than all of it is the noise of short jobs.
        "work done anew after a kill half-way": lambda each: (
            f"{min(each['share_done_anew'], 1):.0%}"
        ),
    }
    head = ["", *libraries]
    lines = [head, ["---"] * len(head)]
    lines += [[label, *map(cell, libraries.values())] for label, cell in rows.items()]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
    return "\n".join([INTRODUCTION.format_map(results), table, NOTES.format_map(results)])


def _versions(found: Found) -> str:
    return ", ".join(f"{name} {version}" for name, version in found["versions"].items())


def _interval(found: Mapping[str, float] | None, sign: str) -> str:
    if found is None:
        return ""
    return f"{found['mean']:{sign}.4f} ({found['low']:{sign}.4f} to {found['high']:{sign}.4f})"


def _odd(name: str) -> Callable[[Found], str]:
    return lambda each: str(each["odd_users"][name])
