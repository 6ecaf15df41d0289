"""What the tests of the page do over and over: open somebody, wait for the answers, look."""

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[3]
SCREENSHOTS = Path(os.environ.get("GENREC_SCREENSHOTS", ROOT / "runs" / "screenshots"))
DESKTOP = {"width": 1440, "height": 1200}
PHONE = {"width": 360, "height": 740}
LONGEST_WAIT_MS = 20_000
VIEW = re.compile("^View:")
"""Name of a button; "Review" holds the word too."""


def open_person(page: Page, person: str) -> None:
    """Show a person by address and wait for every answer."""
    page.goto(f"/#person={person}")
    wait_for(page, person)


def wait_for(page: Page, words: str) -> None:
    """Wait for what screen readers are told at the end of a change."""
    expect(page.locator("#news")).to_contain_text(words)
    expect(page.locator("#catalogue .item").first).to_be_visible()


def start_newcomer(page: Page, name: str) -> None:
    page.get_by_role("button", name="New person").click()
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Start").click()
    wait_for(page, name)


def recommended(page: Page) -> list[str]:
    """Item IDs of the recommendations shown, best first."""
    rows = page.locator("#recommendations .item")
    return rows.evaluate_all("rows => rows.map((row) => row.dataset.item)")


def catalogue_row(page: Page, place: int) -> tuple[Locator, str]:
    """A row of the catalogue and its item's title."""
    row = page.locator("#catalogue .item").nth(place)
    return row, row.locator(".item-title").inner_text()


def keep(page: Page, name: str, **options: object) -> Path:
    """Take a screenshot for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.evaluate("document.fonts.ready.then(() => null)")
    page.screenshot(path=path, animations="disabled", **options)
    return path
