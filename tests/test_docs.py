"""The documentation names only files that exist, and every page is in the navigation."""

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import EXCLUSIVE, LONGEST_FIRST, SLOW_FILES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PATH = re.compile(r"`((?:genrec|train|serve|tests|prompts|benchmarks)/[\w/.-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_navigation():
    def pages(node) -> set[str]:
        if isinstance(node, str):
            return {node}
        values = node.values() if isinstance(node, dict) else node
        return set().union(*map(pages, values))

    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    made = {"index.md", "contributing.md", "changelog.md"}
    made |= {f"notebooks/{path.stem}.md" for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert pages(navigation) == made | {path.name for path in (ROOT / "docs").glob("*.md")}


def test_the_tests_named_by_the_tiers_exist():
    files = {*LONGEST_FIRST, *SLOW_FILES} - {EXCLUSIVE}
    assert [name for name in sorted(files) if not (ROOT / "tests" / name).exists()] == []
