"""Write docs/results.md and its pictures from saved evaluations.

    python -m benchmarks.results_page runs/results --language runs/language

The folder holds DATA SET/RANKER/SEED/, each what `genrec evaluate --out` or `genrec baseline --out`
saved; with `--ask-at last`, in DATA SET.at-last/RANKER/SEED/, for a second table;
with `--last-events N`, in DATA SET.last-N/RANKER/SEED/; of a sample of users, beside a chat model,
in DATA SET.zero-shot/RANKER/SEED/. Every number comes from there, or from DATA SET/ROW/PART/SEED/
that `python -m benchmarks.language` left; what others published comes from published.csv, as
printed, and the same job in other libraries from what `python -m benchmarks.peers` measured.
Sections of the page that nothing here is about stay as they are: the evaluations behind them may
lie on other machines.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.language import section as language
from benchmarks.peers.section import INTRODUCTION as PEERS
from benchmarks.peers.section import RESULTS, write_section
from benchmarks.results_plots import plot_accuracy, plot_curves
from benchmarks.results_read import LEAD, OURS, Origin, Results, Row, folders, read_results
from genrec.errors import GenrecError
from genrec.evaluate.bootstrap import Interval

ROOT = Path(__file__).parents[1]
PUBLISHED = Path(__file__).with_name("published.csv")
METRICS = {"recall@5": "R@5", "ndcg@5": "N@5", "recall@10": "R@10", "ndcg@10": "N@10"}
SHOWN = [(True, metric) for metric in METRICS] + [(False, "recall@10"), (False, "ndcg@10")]
AT_LAST = ".at-last"
INTRODUCTION = """\
# Results

Written by `python -m benchmarks.results_page` from saved evaluations; nothing here is typed by
hand. The whole catalogue is ranked, a hit is the held-out item itself, and all rows of a table were
asked the same: [evaluation.md](evaluation.md) says how. ± is the standard deviation over seeds. The
lead is genrec's in N@10 with seen items filtered, with its 95% paired bootstrap interval over
users: one without 0 is more than the luck of who was asked. Where the commit is older than
`4701e45` and no command says otherwise, up to 5,000 users had an event held out for validation,
however small the log (`genrec prepare --set valid_users=5000`); now it is a twelfth of the events
at most.
"""


def write_page(root: Path | None, page: Path, languages: Path | None = None) -> None:
    """Write the page, and its pictures into ``images`` beside it.

    Args:
        root: Folder of the data sets.
        page: To write; sections it has of other data sets are kept.
        languages: Folder of the data sets that ``benchmarks.language`` was run on.
    """
    made: list[str] = []
    if root is not None:
        made += _dataset_sections(root, page.parent / "images")
    if languages is not None:
        made += filter(None, (language.write_section(each) for each in folders(languages)))
    made.append(write_section(json.loads(RESULTS.read_text(encoding="utf-8"))))
    old = _kept_sections(page.read_text(encoding="utf-8")) if page.exists() else []
    sections = {_heading(each): each for each in (*old, *made)}
    page.parent.mkdir(parents=True, exist_ok=True)
    parts = [INTRODUCTION, *(sections[heading] for heading in sorted(sections, key=_place))]
    page.write_text("\n".join(parts), encoding="utf-8")


def _dataset_sections(root: Path, images: Path) -> list[str]:
    published, parts = _read_published(), []
    for name, group in groupby(sorted(read_results(root), key=_name_of_log), _name_of_log):
        found = list(group)
        at_last = next((each for each in found if each.name.endswith(AT_LAST)), None)
        for results in found:
            if ".last-" not in results.name and results is not at_last:
                parts.append(_section(results, at_last, published.get(name, []), images))
        if short := [each for each in found if ".last-" in each.name]:
            parts.append(_short_section(name, short))
    return parts


def _name_of_log(results: Results) -> str:
    return results.name.removesuffix(AT_LAST).partition(".last-")[0]


def _kept_sections(page: str) -> list[str]:
    """Return the sections of a page as ``write_page`` joined them."""
    _, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    # Between two sections stands the line that joins them.
    return [section.removesuffix("\n") for section in sections[:-1]] + sections[-1:]


def _heading(section: str) -> str:
    return section.partition("\n")[0]


def _place(heading: str) -> tuple[bool, bool, str]:
    """Return the order of sections: data sets, what language buys, other libraries."""
    is_peers = heading == _heading(PEERS)
    return is_peers, heading.startswith(f"## {language.TITLE}"), heading


def _section(
    results: Results, at_last: Results | None, published: Sequence[dict[str, str]], images: Path
) -> str:
    setting = results.setting
    known = f" by the last {results.last_events} events before" if results.last_events else ""
    lines = [
        f"## {results.name.replace('.zero-shot', ', zero-shot')}\n",
        f"{setting['split']} split, {setting['protocol']}, {setting['num_users']:,} users, "
        f"{setting['num_items']:,} items, asked at the {setting['ask_at']} event{known}; "
        f"data `{setting['data_hash']}`.\n",
        _table(results),
        *([] if at_last is None else [_at_last_table(results, at_last)]),
        *(_asked(each) for each in results.origins if each.zero_shot),
    ]
    file = f"results_{results.name}.png"
    plot_accuracy(results, images / file)
    lines.append(f"![{results.name}: accuracy of each ranker with its interval](images/{file})\n")
    file = f"results_{results.name}_training.png"
    if plot_curves(results, images / file):
        lines.append(f"![{results.name}: NDCG@10 on validation by epoch](images/{file})\n")
    if published:
        lines.append(_published_table(published))
    lines.append(_origins(results.origins))
    return "\n".join(lines)


def _asked(origin: Origin) -> str:
    """Say what a chat model was asked, what that cost, and how far place decided."""
    assert origin.zero_shot is not None
    found = origin.zero_shot
    usage, bias = found["usage"], found["position_bias"]
    said = (
        f"**{origin.name}** ({found['method']}, {found['num_candidates']} candidates): "
        f"{usage['tasks']:,} lists asked for, {usage['failed_tasks']:,} failed; "
        f"{usage['prompt_tokens']:,} tokens read and {usage['answer_tokens']:,} written"
    )
    if bias["correlation"] is not None:
        said += (
            f"; rank follows place by {bias['correlation']:+.3f} ± {bias['correlation_error']:.3f} "
            f"(0: not at all), what is shown first is ranked first for "
            f"{bias['first_shown_chosen']:.0%} (chance {bias['chance']:.0%})"
        )
    return said + ".\n"


def _short_section(name: str, short: Sequence[Results]) -> str:
    """Return one table of the same users, asked by their last events alone."""
    users = short[0].setting["num_users"]
    short = sorted(short, key=lambda each: each.last_events or 0)
    columns = [f"{each.last_events} known" for each in short]
    rows = []
    for name_of_row in dict.fromkeys(row.name for each in short for row in each.rows):
        same = [next((row for row in each.rows if row.name == name_of_row), None) for each in short]
        first = next(filter(None, same))
        rows.append([_shown(first), str(len(first.seeds) or "–"), *map(_short_cell, same)])
    commits = sorted({f"`{one.manifest.commit}`" for each in short for one in each.origins})
    return (
        f"## {name}, short histories\n\n"
        f"{users:,} test users, asked as if only so many events of each were known, the last ones "
        "(`genrec evaluate` and `genrec baseline` with `--max-users` and `--last-events`); "
        f"commit {', '.join(commits)}. N@10 with seen items filtered, and the lead of {OURS}.\n\n"
        + _markdown(["", "seeds", *columns], rows)
    )


def _short_cell(row: Row | None) -> str:
    if row is None:
        return "–"
    key = (True, LEAD)
    spread = row.spreads[key]
    shown = f"{row.means[key].mean:.4f}" + ("" if spread is None else f" ± {spread:.4f}")
    return shown if row.lead is None else f"{shown}; {_lead(row.lead)}"


def _lead(lead: Interval) -> str:
    return f"{lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"


def _shown(row: Row) -> str:
    return f"**{row.name}**" if row.name == OURS else row.name


def _table(results: Results) -> str:
    head = ["", "seeds", *METRICS.values(), "R@10, seen allowed", "N@10, seen allowed"]
    rows = [_cells(row, results.setting["num_users"]) for row in results.rows]
    return _markdown([*head, f"lead of {OURS} in N@10"], rows)


def _at_last_table(results: Results, at_last: Results) -> str:
    """Return what telling a ranker when the target comes is worth: the same, asked at the last."""
    keys = [(True, "recall@10"), (True, LEAD)]
    rows = []
    for row in at_last.rows:
        told = next((each for each in results.rows if each.name == row.name), None)
        means = [
            "–" if each is None else f"{each.means[key].mean:.4f}"
            for each in (told, row)
            for key in keys
        ]
        rows.append([_shown(row), *means, "" if row.lead is None else _lead(row.lead)])
    head = ["R@10, at the target", "N@10, at the target", "R@10, at the last", "N@10, at the last"]
    return (
        "Asked at the moment of the target event, and right after the last event before it "
        "(`--ask-at last`), when nothing says how much later it comes:\n\n"
        + _markdown(["", *head, f"lead of {OURS} in N@10, at the last"], rows)
    )


def _cells(row: Row, num_users: int) -> list[str]:
    name = _shown(row)
    if row.num_users != num_users:
        name += f" ({row.num_users:,} users)"
    numbers = []
    for key in SHOWN:
        spread = row.spreads[key]
        numbers.append(
            f"{row.means[key].mean:.4f}" + ("" if spread is None else f" ± {spread:.4f}")
        )
    lead = "" if row.lead is None else _lead(row.lead)
    return [name, str(len(row.seeds) or "–"), *numbers, lead]


def _published_table(rows: Sequence[dict[str, str]]) -> str:
    head = ["published by others", *METRICS.values(), "seen items", "source"]
    cells = [
        [row["method"], *(row[metric] or "–" for metric in METRICS), row["seen items"],
         row["source"]]
        for row in rows
    ]  # fmt: skip
    return (
        "Numbers that others published for this data set, not measured here: their preprocessing, "
        "order of ties and filters may differ.\n\n" + _markdown(head, cells)
    )


def _origins(origins: Sequence[Origin]) -> str:
    head = ["", "seed", "commit", "ID table", "device", "libraries"]
    cells = [
        [
            each.name,
            each.seed,
            f"`{each.manifest.commit}`" if each.manifest.commit else "not recorded",
            f"`{each.index_hash}`" if each.index_hash else "–",
            str(each.manifest.config.get("recipe", {}).get("device", "–")),
            ", ".join(f"{name} {version}" for name, version in each.manifest.versions.items()),
        ]
        for each in origins
    ]
    settings: dict[str, list[str]] = {}
    for each in origins:
        if each.settings:
            line = f"- **{each.name}**: `{_plain(each.settings)}`"
            settings.setdefault(line, []).append(each.seed)
    lines = [f"{line} (seed {', '.join(seeds)})" for line, seeds in settings.items()]
    if lines:
        lines = ["Settings:\n", *lines]
    details = "\n".join([_markdown(head, cells), *lines])
    return f"<details><summary>Where these numbers come from</summary>\n\n{details}\n\n</details>\n"


def _plain(settings: Any) -> str:
    """Return settings as one line; a seed stands in the table already."""
    kept = {name: value for name, value in settings.items() if name != "seed"}
    return json.dumps(kept, ensure_ascii=False)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _read_published() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["dataset"], []).append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=Path, nargs="?", help="folder of DATA SET/RANKER/SEED/")
    parser.add_argument("--language", type=Path, help="folder of DATA SET/ROW/PART/SEED/")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results.md")
    arguments = parser.parse_args()
    try:
        write_page(arguments.root, arguments.page, arguments.language)
    except GenrecError as error:
        sys.exit(f"error: {error}")
    print(f"wrote {arguments.page}")


if __name__ == "__main__":
    main()
