"""Everything by keyboard alone, with the focus in sight."""

from playwright.sync_api import expect

from tests.serving.page.browsing import catalogue_row, open_person, wait_for

FOCUS = """() => {
    const node = document.activeElement;
    if (!node || node === document.body) return null;
    // A choice's circle is invisible; its label carries the outline.
    const seen = node.matches(".choice input") ? node.nextElementSibling : node;
    const style = getComputedStyle(seen);
    const box = seen.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height / 2, 20)];
    const top = document.elementFromPoint(x, y);
    return {
        name: node.id || node.getAttribute("aria-label") || node.textContent.trim(),
        outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inSight: top !== null && (node.parentNode.contains(top) || top.contains(node)),
    };
}"""


def tab_to(page, locator, most=150):
    for _ in range(most):
        page.keyboard.press("Tab")
        if locator.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError(f"{locator} is not reached within {most} tabs")


def test_from_nobody_to_a_bought_item(page, people):
    page.goto("/")
    expect(page.locator(".face").first).to_be_visible()
    person = page.get_by_role("combobox", name="Person")
    tab_to(page, person)
    page.keyboard.type(people[0])
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    assert (
        page.get_by_role("combobox", name="Person").get_attribute("aria-activedescendant")
        == "person-0"
    )
    page.keyboard.press("Enter")
    wait_for(page, people[0])
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type("tea")
    expect(page.locator("#found")).to_contain_text("“tea”")
    row, title = catalogue_row(page, 0)
    tab_to(page, row.get_by_role("button", name="Buy"))
    page.keyboard.press("Enter")
    wait_for(page, f"bought {title}")
    expect(row.get_by_role("button", name="Buy")).to_be_focused()


def test_a_dialog_is_filled_sent_and_left_by_keys(page, people):
    open_person(page, people[1])
    row, title = catalogue_row(page, 1)
    review = row.get_by_role("button", name="Review")
    review.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(review).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")  # bought -> viewed
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")  # none -> round to 5
    page.keyboard.press("Tab")
    page.keyboard.type("by keys alone")
    tab_to(page, page.get_by_role("button", name="Post event"), most=3)
    page.keyboard.press("Enter")
    wait_for(page, f"viewed {title}")
    expect(page.locator(".event").first).to_contain_text("by keys alone")
    expect(page.locator(".event").first).to_contain_text("rated 5 of 5")


def test_the_skip_link_comes_first_and_leads_to_the_content(page, people):
    open_person(page, people[2])
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the person")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text(people[2])


def test_no_trap_and_always_a_visible_focus(page, people):
    open_person(page, people[2])
    page.evaluate("document.activeElement.blur()")
    met = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None or (met and focus["name"] == met[0]["name"]):
            break
        met.append(focus)
    else:
        raise AssertionError(f"the focus never came back: {[one['name'] for one in met[-5:]]}")
    assert len(met) > 60
    assert [one["name"] for one in met if not one["outline"]] == []
    assert [one["name"] for one in met if not one["inSight"]] == []
    back = []
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
        back.append(page.evaluate(FOCUS))
    assert any(focus and focus["name"] != met[0]["name"] for focus in back)
