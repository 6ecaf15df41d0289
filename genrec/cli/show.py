"""How results look on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from genrec.display import day
from genrec.progress import PlainConsole, console
from genrec.schema import Interest, Recommendation

if TYPE_CHECKING:
    from genrec.data import Dataset
    from genrec.data.inspect import Inspection
    from genrec.data.prepare import Report
    from genrec.interests.explain.deletion import Explanation
    from genrec.interests.explain.wish_words import WishEffect
    from genrec.interests.summary.check import Summary
    from genrec.interests.timeline.evolution import Evolution
    from genrec.serving.store import Entry

output = PlainConsole()
BAR_CHARS = 10
NO_MORE: Mapping[str, Sequence[str]] = {}
TRENDS = {
    "emerging": Text("↗ emerging", "green"),
    "steady": Text("→ steady"),
    "fading": Text("↘ fading", "red"),
    "returned": Text("↺ returned", "cyan"),
}


def recommendations(found: Sequence[Recommendation], user: str, provenance: bool = False) -> Table:
    """Lay out recommended items and, if wanted, what brought them."""
    more = {"brought by": [_brought_by(item) for item in found]} if provenance else {}
    return items(found, f"Recommended to {user}", "log-prob.", more)


def _brought_by(item: Recommendation) -> str:
    """Return what brought an item, and what each scorer adds, most first."""
    ordered = sorted(item.parts.items(), key=lambda part: -part[1])
    said = [f"{name} {nats:+.1f}" for name, nats in ordered]
    return ", ".join(said if item.placed_by is None else [f"{item.placed_by}:", *said])


def decisions(entries: Sequence[Entry]) -> Table:
    """Lay out a journal of promotions, newest first."""
    table = Table(title="Decisions", title_justify="left")
    for column in ("time (UTC)", "who", "decision", "reason", "adapter"):
        table.add_column(column)
    for entry in entries:
        at = datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            at, *(Text(text) for text in (entry.who, entry.decision, entry.reason)), entry.path
        )
    return table


def items(
    found: Sequence[Recommendation],
    title: str,
    score: str,
    more: Mapping[str, Sequence[str]] = NO_MORE,
) -> Table:
    """Lay out items with what their scores are, and more columns by name."""
    table = Table(title=title, title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("item")
    table.add_column("title", overflow="fold")
    table.add_column("semantic ID")
    table.add_column(score, justify="right")
    for name in more:
        table.add_column(name, overflow="fold")
    for place, item in enumerate(found):
        codes = "-".join(map(str, item.semantic_id))
        table.add_row(
            *(str(item.rank), item.item_id, Text(item.title or ""), codes, f"{item.score:.2f}"),
            *(column[place] for column in more.values()),
        )
    return table


def _words(wish: WishEffect) -> str:
    return " · ".join(f"{effect.word} {effect.nats:+.2f}" for effect in wish.words)


def explanation(found: Explanation, user: str) -> Group:
    """Lay out why an item: a bar for each event, to the right where it raised the item."""
    table = Table()
    table.add_column("#", justify="right")
    table.add_column("day")
    table.add_column("event")
    table.add_column("item", overflow="fold")
    table.add_column("effect (nats)", no_wrap=True)
    most = max((abs(effect.nats) for effect in found.effects), default=0.0)
    named = {effect.place for effect in found.evidence}
    for effect in found.effects:
        table.add_row(
            str(effect.place + 1),
            day(effect.event.timestamp),
            Text(effect.event.event_type or ""),
            Text(effect.title),
            _bar(effect.nats, most),
            style="bold" if effect.place in named else None,
        )
    title = f"Why {found.title} for {user}"
    parts: list[RenderableType] = [
        Panel(Text(found.sentence), title=Text(title), title_align="left")
    ]
    parts += [table] if found.effects else []
    if found.wish is not None:
        parts.append(Text(f"the wish {found.wish.nats:+.2f} nats: {_words(found.wish)}"))
    parts.append(
        Text(
            f"log-probability {found.score:.2f}, without any history {found.empty_score:.2f}: "
            f"whole {found.whole:+.2f} = parts {found.parts:+.2f}, residual {found.residual:+.2f}"
        )
    )
    if found.num_unread:
        parts.append(Text(f"the model has no room for the {found.num_unread} events before", "dim"))
    if found.path:
        parts.append(Text("path: " + " → ".join(found.path)))
    return Group(*parts)


def _bar(nats: float, most: float) -> Text:
    """Return a bar from the middle, and the number."""
    length = round(BAR_CHARS * abs(nats) / most) if most else 0
    left = ("█" * length if nats < 0 else "").rjust(BAR_CHARS)
    right = ("█" * length if nats > 0 else "").ljust(BAR_CHARS)
    return Text.assemble((left, "red"), "│", (right, "green"), f" {nats:+.2f}")


def interests(summary: Summary, expected: Sequence[tuple[str, float]], user: str) -> Group:
    """Lay out a summary with its evidence, and what the next event is expected to be of."""
    from genrec.interests.profile.buckets import SUMMARY_LISTS

    table = Table()
    table.add_column("interest", overflow="fold")
    table.add_column("share", justify="right")
    table.add_column("trend")
    table.add_column("events", justify="right")
    table.add_column("first, last")
    table.add_column("peak")
    for interest in summary.interests:
        table.add_row(
            Text(interest.name),
            f"{interest.weight:.0%}",
            _trend(interest),
            str(len(interest.evidence)),
            f"{day(interest.first_seen)}\n{day(interest.last_seen)}",
            day(interest.peak),
        )
    parts: list[RenderableType] = [
        Panel(Text(summary.words), title=Text(f"Interests of {user}"), title_align="left")
    ]
    for name in SUMMARY_LISTS:
        if named := summary.names(name):
            label = name.replace("_", "-").capitalize()
            parts.append(Text.assemble((f"{label}: ", "bold"), ", ".join(named)))
    parts += [table] if summary.interests else []
    following = " · ".join(f"{name} {share:.0%}" for name, share in expected)
    parts.append(Text.assemble(("Next event: ", "bold"), following))
    if not summary.by_model:
        parts.append(Text("no name the model gave held; counted from the events instead", "dim"))
    if summary.unsupported:
        dropped = ", ".join(summary.unsupported)
        parts.append(Text(f"dropped for want of evidence: {dropped}", "dim"))
    if summary.moved:
        moved = ", ".join(summary.moved)
        parts.append(Text(f"named in another list than events and forecast show: {moved}", "dim"))
    return Group(*parts)


def _trend(interest: Interest) -> Text:
    """Return an interest's trend and its p-value."""
    if interest.trend == "steady":
        return TRENDS[interest.trend]
    p_value = "p < 0.01" if interest.p_value < 0.01 else f"p = {interest.p_value:.2f}"
    return Text.assemble(TRENDS[interest.trend], (f"\n{p_value}", "dim"))


def evolution(told: Evolution) -> Group:
    """Lay out where interests began and turned, and what is predicted."""
    began = " · ".join(
        f"{birth.name} (event {birth.place + 1}, {day(told.timestamps[birth.place])})"
        for birth in told.births
    )
    turned = " · ".join(
        f"{day(window.start)} (drift {window.drift:.2f} of 1)"
        for window in told.windows()
        if window.is_change
    )
    predicted = " · ".join(f"{name} {share:.0%}" for name, share in told.next_window(5))
    lines = [
        Text.assemble((f"{label}: ", "bold"), text)
        for label, text in (("Began", began), ("Turned", turned), ("Next window", predicted))
        if text
    ]
    return Group(*lines)


def timeline(data: Dataset, user: str, most: int = 25) -> Table:
    """Lay out a user's newest events, oldest first."""
    from genrec.stream.templates import quote

    history = data.history(user)
    shown = history.events[-most:]
    earlier = len(history.events) - len(shown)
    table = Table(
        title=f"Timeline of {user}" + (f" (after {earlier} earlier events)" if earlier else ""),
        title_justify="left",
    )
    for column in ("day", "event", "item", "rating"):
        table.add_column(column)
    table.add_column("review", overflow="fold")
    for event in shown:
        item = data.items[data.item_index[event.item_id]]
        rating = "" if event.rating is None else f"{event.rating:g}"
        review = event.review or event.title or ""
        kind = event.event_type or ""
        table.add_row(
            day(event.timestamp), Text(kind), Text(item.label), rating, Text(quote(review, 120))
        )
    return table


def pick_user(data: Dataset) -> str:
    """Return a user with a history of a length worth showing: the median one."""
    histories = sorted(
        (len(example.history.events), example.history.user_id) for example in data.examples("test")
    )
    return histories[len(histories) // 2][1]


def preparation(report: Report) -> Table:
    """Lay out what a preparation read, left out and wrote."""
    table = Table(title="Prepared", title_justify="left")
    table.add_column("")
    table.add_column("events", justify="right")
    table.add_column("items", justify="right")
    table.add_row("rows read", f"{report.event_rows:,}", f"{report.item_rows:,}")
    table.add_row("exact duplicates", f"{report.event_duplicates:,}", f"{report.item_duplicates:,}")
    reasons = report.event_rejects | report.item_rejects
    for reason in reasons:
        counts = (report.event_rejects.get(reason, 0), report.item_rejects.get(reason, 0))
        table.add_row(Text(f"rejected: {reason}"), *(f"{count:,}" for count in counts))
    for reason, count in report.user_rejects.items():
        table.add_row(Text(f"rejected: {reason}, of users"), f"{count:,}", "")
    for repair, told in report.repaired.items():
        table.add_row(Text(f"repaired: {repair}"), f"{told['count']:,}", "", style="dim")
    if report.events_filtered or report.items_filtered:
        table.add_row("k-core", f"{report.events_filtered:,}", f"{report.items_filtered:,}")
    table.add_row("written", f"{report.events:,}", f"{report.items:,}", style="bold")
    for split, count in report.splits.items():
        table.add_row(f"  {split}", f"{count:,}", "")
    if report.searches:
        table.add_row("searches", f"{report.searches:,}", "")
    if report.described:
        table.add_row("users who describe themselves", f"{report.described:,}", "")
    table.caption = (
        f"{report.users:,} users, {day(report.first_timestamp)} to {day(report.last_timestamp)}"
    )
    return table


def print_notes(report: Report) -> None:
    """Print what a preparation took from the look of the files, mended, and doubts."""
    for name, taken in report.taken.items():
        console.print(Text(f"{name}: read with {', '.join(taken)}"), soft_wrap=True)
    for repair, told in report.repaired.items():
        line = f"repaired: {repair}, {told['count']:,} times, such as {told['example']}"
        console.print(Text(line), soft_wrap=True)
    for warning in report.warnings:
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)


def print_inspection(inspection: Inspection) -> None:
    """Print what files seem to be; the command goes on a line of its own."""
    from genrec.data.lines import excerpt

    for file in inspection.files:
        more = f" · {file.num_files} files" if file.num_files > 1 else ""
        output.print(Text.assemble((file.path, "bold"), f" · {file.kind}s{more}"), soft_wrap=True)
        for subject, fact in file.facts:
            output.print(Text(f"  {subject}: {fact}"), soft_wrap=True)
        table = Table(box=None, padding=(0, 2, 0, 2))
        for heading in ("column", "is", "such as"):
            table.add_column(heading, overflow="fold")
        for name, role, value in file.columns:
            table.add_row(*map(Text, (name, role or "unknown", excerpt(value)[:60])))
        output.print(table)
        for doubt in file.doubts:
            output.print(Text.assemble(("  doubt: ", "yellow"), doubt), soft_wrap=True)
    output.print(Text(inspection.command), soft_wrap=True)
