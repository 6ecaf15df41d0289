"""What benchmarks and entry points take from the library is there.

Few of them run in the tests: some take hours, some want other libraries.
"""

import ast
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path.relative_to(ROOT)
    for folder in ("benchmarks", "train", "serve", "docs/site")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_is_imported_from_genrec_exists(path):
    taken = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "genrec"
        # What runs inside vLLM has an environment of its own.
        if not node.module.startswith("genrec.engines.vllm")
        for alias in node.names
    ]
    for name in taken:
        resolve_name(name)


def test_a_name_that_is_gone_is_found():
    resolve_name("genrec.training.speed")
    with pytest.raises(AttributeError, match="make_adamw"):
        resolve_name("genrec.training.speed.make_adamw")
