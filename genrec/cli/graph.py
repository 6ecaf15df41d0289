"""The command `genrec graph`: what is linked to what, in tables, files and pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from genrec.cli import show
from genrec.cli.build import ConfigFile, Data, Index, Overrides
from genrec.cli.runs import AsJson
from genrec.errors import ConfigError
from genrec.progress import console, working
from genrec.schema import Split

if TYPE_CHECKING:
    from networkx import DiGraph

    from genrec.graph import Community, GraphPath, InterestGraph, Neighbour, Node

SHOWN = 8


def graph(
    data: Data,
    index: Index,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .graphml, .json, .png, .svg or .pdf.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Show what lies around this user.")] = None,
    interest: Annotated[
        str | None, typer.Option(help="Around this interest: a name, or codes as 3 or 3.17.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Item ID: show the path from the user or interest to it.")
    ] = None,
    communities: Annotated[bool, typer.Option(help="Show which interests go together.")] = False,
    depth: Annotated[int, typer.Option(help="Codes of the interests in the overview.")] = 1,
    whole: Annotated[bool, typer.Option(help="Write every node, not an overview.")] = False,
    upto: Annotated[Split, typer.Option(help="Last split whose events count.")] = "test",
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show the interest graph: users, interests, items and words, and what links them."""
    from genrec.config import load_config
    from genrec.data import Dataset
    from genrec.graph import GraphConfig, build_graph, find_communities, find_path
    from genrec.semantic_ids.table import SemanticIdTable

    if user is not None and interest is not None:
        raise ConfigError("give --user or --interest, not both")
    if to is not None and user is None and interest is None:
        raise ConfigError("--to needs where the path begins: give --user or --interest too")
    as_picture = out is not None and _is_picture(out)
    settings = load_config(GraphConfig, config, overrides or ())
    table = SemanticIdTable.load(index)
    with working("linking"):
        made = build_graph(Dataset.load(data), table, upto, settings)
    node = None
    if user is not None:
        node = made.node("user", user)
    elif interest is not None:
        node = made.node("interest", interest)
    found = find_communities(made, depth) if communities else []
    path = find_path(made, node, to) if node and to else None
    if out is not None:
        _write(_select(made, node, whole, depth, as_picture), out)
        console.print(f"wrote {out}")
    near = made.neighbours(node, k=SHOWN) if node else []
    if as_json:
        content = _to_json(made, node, near, found, path)
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        _print(made, node, near, found, path, to)


def _is_picture(out: Path) -> bool:
    if out.suffix not in (".graphml", ".json", ".png", ".svg", ".pdf"):
        raise ConfigError(f"cannot write '{out.name}'; end it in .graphml, .json, .png, .svg, .pdf")
    return out.suffix not in (".graphml", ".json")


def _select(
    made: InterestGraph, node: Node | None, whole: bool, depth: int, picture: bool
) -> DiGraph:
    from genrec.graph import ego_graph, overview, to_networkx

    if node is not None:
        return ego_graph(made, node, k=3 if picture else SHOWN)
    return to_networkx(made) if whole else overview(made, depth)


def _write(network: DiGraph, out: Path) -> None:
    from genrec.graph import write_graphml, write_json, write_picture

    write = {".graphml": write_graphml, ".json": write_json}.get(out.suffix, write_picture)
    write(network, out)


def _print(
    made: InterestGraph,
    node: Node | None,
    near: list[Neighbour],
    found: list[Community],
    path: GraphPath | None,
    to: str | None,
) -> None:
    if node is not None:
        show.output.print(_neighbours(node, near))
    if to is not None:
        words = str(path) if path else "no short path leads there"
        show.output.print(Text.assemble((f"Path to {to}: ", "bold"), words))
    if found:
        show.output.print(_communities(found))
    if node is None and not found:
        show.output.print(_sizes(made))


def _sizes(made: InterestGraph) -> Table:
    table = Table(title="Interest graph", title_justify="left")
    table.add_column("")
    table.add_column("count", justify="right")
    for kind in ("user", "interest", "item", "word"):
        table.add_row(f"{kind}s", f"{made.size(kind):,}")
    for name, relation in made.relations.items():
        table.add_row(f"  {name}", f"{len(relation):,}")
    return table


def _neighbours(node: Node, near: list[Neighbour]) -> Table:
    table = Table(title=Text(f"Around {node.name}"), title_justify="left")
    table.add_column("kind")
    table.add_column("name", overflow="fold")
    table.add_column("relation")
    table.add_column("weight", justify="right")
    table.add_column("strength", justify="right")
    for one in near:
        table.add_row(
            one.node.kind,
            Text(one.node.name),
            _direction(node, one),
            f"{one.edge.weight:.3g}",
            f"{one.edge.strength:.3f}",
        )
    return table


def _direction(node: Node, one: Neighbour) -> str:
    if one.edge.relation == "interest-interest":
        return "comes after" if one.edge.source == node else "comes before"
    return one.edge.relation


def _communities(found: list[Community]) -> Table:
    table = Table(title="Interests that go together", title_justify="left")
    table.add_column("share", justify="right")
    table.add_column("interests", overflow="fold")
    for community in found:
        names = " | ".join(node.name for node in community.interests)
        table.add_row(f"{community.weight:.0%}", Text(names))
    return table


def _to_json(
    made: InterestGraph,
    node: Node | None,
    near: list[Neighbour],
    found: list[Community],
    path: GraphPath | None,
) -> dict[str, object]:
    return {
        "nodes": {kind: made.size(kind) for kind in ("user", "interest", "item", "word")},
        "edges": {name: len(relation) for name, relation in made.relations.items()},
        "node": asdict(node) if node else None,
        "neighbours": [asdict(one) for one in near],
        "communities": [asdict(community) for community in found],
        "path": asdict(path) if path else None,
    }
