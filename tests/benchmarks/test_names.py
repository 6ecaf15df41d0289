"""What benchmarks and entry points take from the library is there.

Few of them run in the tests: some take hours, some want other libraries.
"""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path.relative_to(ROOT)
    for folder in ("benchmarks", "train", "serve", "docs/site")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def is_there(module, name):
    """Whether a name can be imported from a module: an attribute of it, or a module below it."""
    if hasattr(import_module(module), name):
        return True
    try:
        import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_is_imported_from_genrec_exists(path):
    taken = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "genrec"
        # What runs inside vLLM has an environment of its own.
        if not node.module.startswith("genrec.engines.vllm")
        for alias in node.names
    ]
    assert [each for each in taken if not is_there(*each)] == []


def test_a_name_that_is_gone_is_found():
    assert is_there("genrec.training", "speed")
    assert not is_there("genrec.training.speed", "make_adamw")
