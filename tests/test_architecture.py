"""The import rules of the architecture, and what is light enough to import without torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    ["display"],
    ["schema", "errors"],
    ["arguments", "progress", "artifacts", "config", "metrics", "imports"],
    ["batching", "devices", "linear", "installed_models"],
    ["events", "feedback", "plotting", "redaction"],
    ["data"],
    ["decode"],
    ["semantic_ids"],
    ["filters"],
    ["interests.profile"],
    ["stream"],
    ["model"],
    ["engines"],
    ["interests.summary", "interests.timeline", "interests.explain", "interests.counterfactual"],
    ["graph"],
    ["evaluate"],
    ["baselines"],
    ["pretrained"],
    ["frames"],
    ["experiments"],
    ["online_metrics"],
    ["table_attributes"],
    ["rules"],
    ["preferences"],
    ["request_options"],
    ["chat"],
    ["base_catalogue"],
    ["base_recommender"],
    ["zero_shot"],
    ["recommender"],
    ["batch"],
    ["training"],
    ["fit"],
    ["serving"],
    ["serving.page", "updates"],
    ["serving.http"],
    ["serving.workers"],
    ["serving.__main__"],
    ["agents", "simulation"],
    ["cli"],
]
"""From the ground up: a room imports itself and rooms below it, never one beside or above it."""

FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
SOURCES = sorted((ROOT / "genrec").rglob("*.py"))


def room_of(module: str) -> str | None:
    """Return the room of ``genrec.x.y``: two names deep where a package is cut into rooms."""
    parts = module.split(".")[1:]
    for depth in (2, 1):
        if ".".join(parts[:depth]) in FLOOR:
            return ".".join(parts[:depth])
    return None


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports anywhere, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            is_module = [
                (ROOT / name.replace(".", "/")).with_suffix(".py").exists() for name in names
            ]
            found |= {
                name if whole else node.module for name, whole in zip(names, is_module, strict=True)
            }
    return {name for name in found if name.split(".")[0] in ("genrec", "train", "serve", "tests")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_below_it(path):
    room = room_of(module_of(path))
    for imported in imports(path):
        assert imported.startswith("genrec"), f"{path} imports {imported}"
        other = room_of(imported)
        if room is not None and other not in (None, room):
            assert FLOOR[other] < FLOOR[room], f"{path} imports {imported}"


def test_the_table_of_packages_is_the_order_of_the_rooms():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| package | knows |")[2].partition("\n\n")[0]
    listed = [re.findall(r"`([\w.]+)`", row.split("|")[1]) for row in table.splitlines()[2:]]
    named = [room for row in listed for room in row]
    assert sorted(named) == sorted(room for room in FLOOR if not room.startswith("serving."))
    floors = [FLOOR[room] for room in named]
    assert floors == sorted(floors)


def test_imports_go_down_the_list_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.partition("```text\ngenrec/cli")[2].partition("train/ serve/")[0]
    line_of = {"cli": 0}
    for number, line in enumerate(tree.splitlines()):
        head, told = line[:24].replace(".py", "").split(", "), line[24:]
        names = [name.strip().removeprefix("genrec/") for name in head]
        names += re.findall(r"(?<![\w/.])([a-z_/]+?)(?:/(?!\w)|\.py)", told)
        for name in names:
            if (room := name.replace("/", ".")) in FLOOR:
                line_of.setdefault(room, number)
    assert len(line_of) > 25
    for path in SOURCES:
        here = line_of.get(room_of(module_of(path)))
        for imported in imports(path):
            there = line_of.get(room_of(imported))
            if here is not None and there is not None:
                assert here <= there, f"{path} imports {imported}"


def test_the_service_knows_no_http():
    for path in (ROOT / "genrec" / "serving").rglob("*.py"):
        if room_of(module_of(path)) == "serving":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(from|import) (fastapi|starlette)", text, re.MULTILINE), path


def test_entry_points_and_benchmarks_are_imported_by_nobody():
    for folder in ("train", "serve", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            others = {name.split(".")[0] for name in imports(path)} - {"genrec", folder}
            assert not others, f"{path} imports {others}"


def test_no_circle_of_imports():
    graph = {module_of(path): imports(path) for path in SOURCES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                visit(imported, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


LIGHT = [
    "genrec.schema",
    "genrec.metrics",
    "genrec.data.prepare",
    "genrec.data.toy",
    "genrec.semantic_ids.build",
    "genrec.interests.profile.interests",
    "genrec.stream.encode",
    "genrec.decode.trie",
    "genrec.graph",
    "genrec.experiments",
    "genrec.online_metrics",
    "genrec.cli",
]


@pytest.mark.slow
@pytest.mark.parametrize("module", LIGHT)
def test_light_stages_import_without_the_heavy_libraries(module):
    assert not imported_by(module) & {"torch", "transformers", "vllm"}


def test_help_is_printed_without_anything_that_a_command_works_with():
    heavy = {"duckdb", "jinja2", "numpy", "pyarrow", "pydantic", "yaml"}
    assert not imported_by("genrec.cli") & heavy


@pytest.mark.slow
@pytest.mark.parametrize("module", ["genrec.recommender", "genrec.serving.http.app"])
def test_what_answers_imports_nothing_that_few_answers_need(module):
    """They take longer to import than a recommendation takes."""
    heavy = {"bitsandbytes", "datasets", "networkx", "openai", "pandas", "peft", "sklearn"}
    assert not imported_by(module) & {*heavy, "scipy.stats"}


def imported_by(module: str) -> set[str]:
    """Return the modules that importing one brings in."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_rooms_without_a_name():
    for path in SOURCES:
        assert path.stem not in ("utils", "util", "helpers", "common", "misc")
