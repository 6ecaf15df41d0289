"""How the page looks and reads: every size, both themes, no motion where none is wanted, axe."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.serving.page.browsing import (
    DESKTOP,
    PHONE,
    VIEW,
    catalogue_row,
    keep,
    open_person,
    start_newcomer,
    wait_for,
)

TABLET = {"width": 820, "height": 1100}
LOOKS = {
    "desktop-light": {"viewport": DESKTOP, "color_scheme": "light"},
    "desktop-dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "tablet-light": {"viewport": TABLET, "color_scheme": "light"},
    "phone-light": {"viewport": PHONE, "color_scheme": "light"},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
LONG = (
    "An unusually long title " * 8
    + "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3
)


def check(page):
    """Fail on what axe finds by WCAG 2.2 A and AA and its best practices."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.fixture(params=LOOKS)
def look(request, new_page):
    # axe brings its own script, which the page's policy would rightly refuse.
    page = new_page(**LOOKS[request.param], bypass_csp=True, reduced_motion="reduce")
    return request.param, page


def test_a_person_in_every_look(look, people):
    name, page = look
    open_person(page, people[1])
    row, title = catalogue_row(page, 2)
    row.get_by_role("button", name=VIEW).click()
    wait_for(page, f"viewed {title}")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    keep(page, f"person-{name}")
    assert page.evaluate(OVERFLOW) == 0
    check(page)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate(OVERFLOW) == 0
    check(page)


def test_the_welcome_in_every_look(look):
    name, page = look
    page.goto("/")
    expect(page.locator(".face").first).to_be_visible()
    keep(page, f"welcome-{name}")
    assert page.evaluate(OVERFLOW) == 0
    check(page)


def test_empty_states_dialogs_and_long_words_in_every_look(look, gateway):
    name, page = look
    item = {"item_id": f"long-{name}", "title": f"{LONG} {name}", "brand": LONG}
    assert gateway.client.put("/v1/items", json={"items": [item]}).status_code == 200
    page.goto("/")
    start_newcomer(page, f"newcomer-with-a-rather-long-name-who-looks-at-{name}")
    keep(page, f"newcomer-{name}")
    assert page.evaluate(OVERFLOW) == 0
    check(page)
    page.get_by_role("searchbox").fill(f"mützenabzeichen {name}")
    expect(page.locator("#found")).to_contain_text("1 item ")
    row = page.locator("#catalogue .item")
    row.get_by_role("button", name="Review").click()
    keep(page, f"review-{name}")
    assert page.evaluate(OVERFLOW) == 0
    check(page)
    page.get_by_role("button", name="Post event").click()
    wait_for(page, "bought")
    assert page.evaluate(OVERFLOW) == 0
    check(page)


def test_the_button_chooses_a_theme_and_it_lasts(new_page):
    page = new_page(color_scheme="dark")
    page.goto("/")
    dark = page.evaluate(BACKGROUND)
    button = page.get_by_role("button", name=re.compile("^Colours"))
    expect(button).to_have_accessible_name("Colours: as the system")
    button.click()
    expect(button).to_have_accessible_name("Colours: light")
    light = page.evaluate(BACKGROUND)
    assert light != dark
    page.reload()
    assert page.evaluate(BACKGROUND) == light
    button.click()
    assert page.evaluate(BACKGROUND) == dark
    button.click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(BACKGROUND) == light


def test_rows_glide_only_where_motion_is_welcome(new_page, people):
    glides = "Element.prototype.animate = function () { window.glides = (window.glides ?? 0) + 1; }"
    for motion, expected in (("no-preference", True), ("reduce", False)):
        page = new_page(reduced_motion=motion)
        page.add_init_script(glides)
        open_person(page, people[9])
        # It leaves the list, so that the others move up.
        page.locator("#recommendations .item").first.get_by_role("button", name=VIEW).click()
        wait_for(page, "viewed")
        assert bool(page.evaluate("window.glides")) is expected
