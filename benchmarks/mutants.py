"""Plant faults in decode, interests, semantic_ids and evaluate, and list those that no test finds.

    python benchmarks/mutants.py [--seed 0] [--generated 36] [--only REGEX]

A fault (a mutant) is either written down in ``BY_HAND`` or generated inside a function: a
comparison made strict or loose, an operator swapped, a constant shifted, a condition negated. Each
is planted in a copy of the tree, where the tests of the module and those that import it run; a
mutant survives if all pass. Tests that need a service do not run. What was found is taken back, and
the test that failed must pass again. Ends with exit code 1 if it does not, if a hand-written mutant
no longer fits the code, or if more than ``--allow`` survive.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("genrec", "tests", "prompts", "train", "serve", "benchmarks", "pyproject.toml")
PACKAGES = ("decode", "interests", "semantic_ids", "evaluate")
LIMIT_S = 240
"""Processor time of a test run: what takes longer, such as an endless loop, is found."""
HANGS_S = 10 * LIMIT_S
"""Time on the clock, where a test waits for ever; many times more, for a busy machine."""

BY_HAND = (
    # Package or file below genrec, pattern that fits one place, what to put there.
    ("evaluate", r"^LEVEL = 0\.95$", "LEVEL = 0.90"),
    ("evaluate/bootstrap.py", r"\(1 - LEVEL\) / 2", "(1 - LEVEL)"),
    ("interests/profile", r"len\(breaks\) \* ", ""),
    ("interests/profile", r"^(BREAKS|P_MAX_RETURNED) = 0\.01$", r"\1 = 0.05"),
    ("interests/profile", r"^(BEGINS|P_MAX_EMERGING) = 0\.2$", r"\1 = 0.5"),
    ("interests/profile", r"^(ENDS|P_MAX_FADING) = 0\.4$", r"\1 = 0.8"),
    ("semantic_ids/quantize.py", r"lexsort\(\((\w+), distance,", r"lexsort((-\1, distance,"),
    ("semantic_ids/fuse.py", r"normalize_rows\((others\[missing\] @ .*)\)$", r"(\1)"),
    ("interests/summary/check.py", r"own = own or set\(.*\)", "own = own"),
    (
        "decode/device_trie.py",
        r"widest = max\(int\(counts\.max\(\)\)",
        "widest = max(1 + int(counts.max())",
    ),
    ("zero_shot/option_tree.py", r"^MIN_LOG_PROB = -1e4$", "MIN_LOG_PROB = -float('inf')"),
)

SWAPPED: dict[type[ast.AST], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        path: The module, below the root.
        line: Where, from 1.
        text: The whole module with the fault in it.
        change: The line as it was and as it is.
    """

    path: Path
    line: int
    text: str
    change: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of generated mutants")
    parser.add_argument("--generated", type=int, default=36, help="how many, over all packages")
    parser.add_argument("--only", default="", help="only mutants whose description fits a pattern")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--allow", type=int, default=3, help="most survivors")
    arguments = parser.parse_args()
    mutants, stale = by_hand()
    mutants += generated(arguments.generated, arguments.seed)
    mutants = [mutant for mutant in mutants if re.search(arguments.only, str(mutant))]
    # Of each process: the tests inherit it, this one takes little itself.
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, resource.RLIM_INFINITY))
    start = time.monotonic()
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees: Queue[Path] = Queue()
        for number in range(arguments.processes):
            trees.put(copy_tree(Path(folder) / str(number)))

        def judge(mutant: Mutant) -> tuple[Mutant, bool]:
            tree = trees.get()
            try:
                return mutant, survives(mutant, tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(arguments.processes) as pool:
            for mutant, alive in pool.map(judge, mutants):
                print("SURVIVED" if alive else "found   ", mutant, flush=True)
                survivors += [mutant] * alive
    for entry in stale:
        print("STALE   ", *entry)
    minutes = (time.monotonic() - start) / 60
    print(f"{len(survivors)} of {len(mutants)} mutants survived; {minutes:.1f} minutes")
    sys.exit(int(len(survivors) > arguments.allow or bool(stale)))


def by_hand() -> tuple[list[Mutant], list[tuple[str, str, str]]]:
    """Return the mutants of ``BY_HAND``, and the entries that do not fit one place."""
    mutants, stale = [], []
    for place, pattern, replacement in BY_HAND:
        top = ROOT / "genrec" / place
        fits = [
            (path, text, match)
            for path in ([top] if top.is_file() else sorted(top.rglob("*.py")))
            for text in [path.read_text(encoding="utf-8")]
            for match in re.finditer(pattern, text, re.MULTILINE)
        ]
        if len(fits) != 1:
            stale.append((place, pattern, replacement))
            continue
        ((path, text, match),) = fits
        mutants.append(_replace(path, text, match.start(), match.end(), match.expand(replacement)))
    return mutants, stale


def generated(count: int, seed: int) -> list[Mutant]:
    """Return as many mutants of each package, no two on one line.

    Each has a place in the draw of its own, so that a change of the code changes no other.
    """

    def place(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.path} {mutant.change}".encode()).digest()

    drawn: list[Mutant] = []
    for package in PACKAGES:
        paths = (ROOT / "genrec" / package).rglob("*.py")
        lines: dict[tuple[Path, int], Mutant] = {}
        for mutant in sorted((mutant for path in paths for mutant in mutants_of(path)), key=place):
            lines.setdefault((mutant.path, mutant.line), mutant)
        drawn += list(lines.values())[: count // len(PACKAGES)]
    return drawn


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield every fault that can be generated in a module."""
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    raw = text.encode()

    def spot(line: int, column: int) -> int:
        return len(raw[: starts[line - 1] + column].decode())

    def begin(node: ast.expr) -> int:
        return spot(node.lineno, node.col_offset)

    def end(node: ast.expr) -> int:
        return spot(node.end_lineno or 0, node.end_col_offset or 0)

    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for node in {node: None for function in functions for node in _behaviour(function)}:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
            gap = end(node.left), begin(node.comparators[0])
            yield _swap(path, text, gap, SWAPPED[type(node.ops[0])])
        elif isinstance(node, ast.BinOp) and type(node.op) in SWAPPED and not _joins_text(node):
            yield _swap(path, text, (end(node.left), begin(node.right)), SWAPPED[type(node.op)])
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            changed = node.value + 1 if isinstance(node.value, int) else node.value * 1.5
            yield _replace(path, text, begin(node), end(node), repr(changed))
        elif isinstance(node, ast.IfExp | ast.If):
            test = node.test
            condition = text[begin(test) : end(test)]
            yield _replace(path, text, begin(test), end(test), f"(not ({condition}))")


def _behaviour(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what is run when a function is called: no annotations, imports, messages or doctests."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.AnnAssign):
            yield from _behaviour(node.value) if node.value else ()
            continue
        if isinstance(node, ast.arguments):
            for default in node.defaults:
                yield from _behaviour(ast.Expr(default))
            continue
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _behaviour(node)


def _joins_text(node: ast.BinOp) -> bool:
    """Tell whether an operator joins strings or paths, where a swap is no fault worth a test."""
    return any(
        isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.Name) and side.id.endswith("_FILE"))
        for side in (node.left, node.right)
    )


def _swap(path: Path, text: str, gap: tuple[int, int], operator: str) -> Mutant:
    """Replace the operator between two operands, but no bracket around them."""
    between = text[gap[0] : gap[1]]
    match = re.search(r"not\s+in|[^\s()\\]+", between)
    assert match, between
    return _replace(path, text, gap[0] + match.start(), gap[0] + match.end(), operator)


def _replace(path: Path, text: str, begin: int, end: int, new: str) -> Mutant:
    mutated = text[:begin] + new + text[end:]
    line = text.count("\n", 0, begin) + 1
    change = f"{text.splitlines()[line - 1].strip()}  ->  {mutated.splitlines()[line - 1].strip()}"
    return Mutant(path.relative_to(ROOT), line, mutated, change)


def copy_tree(tree: Path) -> Path:
    """Copy what the tests need."""
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def survives(mutant: Mutant, tree: Path) -> bool:
    """Run the tests of a mutant in a tree; put the tree right afterwards.

    Raises:
        RuntimeError: The test that failed fails without the mutant too.
    """
    tests = tests_of(mutant.path)
    (tree / mutant.path).write_text(mutant.text, encoding="utf-8")
    try:
        alive = run_tests(tree, ["--cache-clear", *tests])
    finally:
        shutil.copy(ROOT / mutant.path, tree / mutant.path)
    if not alive and not run_tests(
        tree, ["--last-failed", "--last-failed-no-failures=none", *tests]
    ):
        raise RuntimeError(f"a test of {mutant.path} fails without a fault too")
    return alive


def tests_of(path: Path) -> list[str]:
    """Return a module's doctests, its own tests and those that import it.

    A test also imports what its helpers do, such as ``tests.decode.tries``. A module that no test
    knows by name is left to all tests of its package.
    """
    parts = path.with_suffix("").parts
    module, folder = ".".join(parts), Path("tests", *parts[1:-1])
    while not (ROOT / folder).is_dir():
        folder = folder.parent
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    package = [file for file in files if folder in file.parents]
    own = [file for file in package if file.name == f"test_{path.name}"]
    helpers = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and _mentions(path, [module])
    ]
    near = [file for file in files if _mentions(ROOT / file, [module, *helpers])]
    return [str(path), *map(str, dict.fromkeys(own + near) or package)]


def _mentions(path: Path, modules: list[str]) -> bool:
    text = path.read_text(encoding="utf-8")
    return any(re.search(rf"{re.escape(module)}\b", text) for module in modules)


def run_tests(tree: Path, tests: list[str]) -> bool:
    """Tell whether all pass, in one process and up to the first failure; none counts as passed."""
    command = [
        *(sys.executable, "-m", "pytest", "-x"),
        *("-m", "not services", "--hypothesis-seed=0", *tests),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=HANGS_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode in (0, 5)


if __name__ == "__main__":
    main()
