"""The import rules of the architecture, and what is light enough to import without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = [
    "errors schema progress artifacts config",
    "data",
    "semantic_ids",
    "stream",
    "decode",
    "model",
    "engines",
    "interests",
    "evaluate",
    "base_recommender",
    "zero_shot",
    "recommend",
    "cli",
]
RANK = {name: rank for rank, names in enumerate(STAGES) for name in names.split()}
FOUNDATION = set(STAGES[0].split())
SOURCES = sorted((ROOT / "genrec").rglob("*.py"))


def imported_stages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] in ("train", "serve"):
                found.add(parts[0])
            if parts[0] == "genrec" and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_stage_imports_only_what_comes_before_it(path):
    stage = path.relative_to(ROOT / "genrec").parts[0].removesuffix(".py")
    if stage == "__init__":
        return
    imported = imported_stages(path)
    assert not imported & {"train", "serve"}
    if stage in ("schema", "errors"):
        assert not imported
    later = {name for name in imported if RANK[name] > RANK[stage]}
    assert not later, f"{path} imports {later}"


def test_train_and_serve_do_not_import_each_other():
    for folder, other in (("train", "serve"), ("serve", "train")):
        for path in (ROOT / folder).rglob("*.py"):
            assert other not in imported_stages(path)


LIGHT = [
    "genrec.schema",
    "genrec.data.prepare",
    "genrec.data.toy",
    "genrec.semantic_ids.build",
    "genrec.stream.encode",
    "genrec.training.samples",
    "genrec.decode.trie",
    "genrec.evaluate.metrics",
    "genrec.graph",
    "genrec.graph.words",
    "genrec.cli",
]


@pytest.mark.parametrize("module", LIGHT)
def test_light_stages_import_without_the_heavy_libraries(module):
    code = (
        f"import sys, {module}; "
        "heavy = {'torch', 'transformers', 'vllm'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_rooms_without_a_name():
    for path in SOURCES:
        assert path.stem not in ("utils", "util", "helpers", "common", "misc")
