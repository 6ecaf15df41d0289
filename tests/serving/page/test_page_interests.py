"""Interests on the page: words, stream chart, list, table, what is expected."""

import re

import pytest
from playwright.sync_api import expect

from tests.serving.page.browsing import open_person


@pytest.fixture
def answer(gateway, people):
    return gateway.client.post("/v1/interests", json={"user_id": people[0], "top": 5}).json()


@pytest.fixture
def page(page, people):
    open_person(page, people[0])
    return page


def test_words_and_expectations_are_the_gateways(page, answer):
    expect(page.locator("#words")).to_have_text(answer["words"])
    names = page.locator("#expected .name").all_inner_texts()
    assert names == [expected["name"] for expected in answer["expected"]]
    first = f"{answer['expected'][0]['probability']:.0%}"
    expect(page.locator("#expected .value").first).to_have_text(first)


def test_the_lists_are_the_gateways_with_the_number_of_events(page, answer):
    labels = {"emerging": "Emerging", "long_term": "Long-term", "recent": "Recent"}
    labels["fading"] = "Fading"
    wanted = [
        f"{label} " + " ".join(f"{one['interest']} {len(one['events'])}" for one in claims)
        for name, label in labels.items()
        if (claims := answer["summary"][name])
    ]
    assert wanted
    shown = page.locator("#lists > div").all_inner_texts()
    assert [" ".join(text.split()) for text in shown] == wanted


def test_every_series_is_a_band_with_a_row_of_its_own_colour(page, answer):
    names = [series["name"] for series in answer["timeline"]["series"]]
    assert page.locator("#stream .band").count() == min(len(names), 9)
    rows = page.locator("#bands .name").all_inner_texts()
    assert set(rows) - {"everything else"} <= set(names)
    colours = page.locator("#bands .dot").evaluate_all(
        "dots => dots.map((dot) => getComputedStyle(dot).backgroundColor)"
    )
    assert len(set(colours)) == len(colours)


def test_bands_are_as_thick_as_their_weights(page, answer):
    """The last edges of each band, read back from its path, are in proportion to the weights."""
    drawn = page.locator("#stream .band").evaluate_all(
        """bands => bands.map((band) => {
            const [top, bottom] = band.getAttribute("d").split("L");
            return Math.abs(Number(bottom.split(/[,C]/)[1]) - Number(top.split(",").at(-1)));
        })"""
    )
    weights = [series["weights"][-1] for series in answer["timeline"]["series"]]
    names = [series["name"] for series in answer["timeline"]["series"]]
    rows = page.locator("#bands .name").all_inner_texts()
    wanted = [weight for name, weight in zip(names, weights, strict=True) if name in rows]
    if "everything else" in rows:
        wanted.append(sum(weights) - sum(wanted))
    scale = sum(drawn) / sum(wanted)
    assert sorted(drawn) == pytest.approx(sorted(scale * weight for weight in wanted), abs=0.3)


def test_the_cursor_moves_by_keys_and_by_pointer(page, answer):
    slider = page.get_by_role("slider", name="Moment in the history")
    number = len(answer["timeline"]["timestamps"])
    expect(slider).to_have_attribute("aria-valuenow", str(number))
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", str(number - 1))
    expect(page.locator("#moment")).to_contain_text(f"Event {number - 1} of {number}")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "1")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    middle = int(slider.get_attribute("aria-valuenow"))
    assert abs(middle - number / 2) <= 2
    assert re.search(r"\d{4}, (viewed|bought) ", slider.get_attribute("aria-valuetext"))
    name = page.locator("#bands .name").first.inner_text()
    weights = next(s["weights"] for s in answer["timeline"]["series"] if s["name"] == name)
    value = float(page.locator("#bands .value").first.inner_text().strip("%<"))
    assert value / 100 == pytest.approx(weights[middle - 1], abs=6e-3)


def test_the_axis_may_follow_the_calendar(page):
    ticks = "ticks => ticks.map((tick) => Number(tick.getAttribute('x1')))"
    even = page.locator("#stream .tick").evaluate_all(ticks)
    steps = [later - earlier for earlier, later in zip(even, even[1:], strict=False)]
    assert max(steps) - min(steps) < 0.1
    page.get_by_role("radio", name="By date").check()
    dated = page.locator("#stream .tick").evaluate_all(ticks)
    assert dated == sorted(dated) and dated != even
    assert (dated[0], round(dated[-1])) == (even[0], round(even[-1]))


def test_the_same_values_are_there_as_a_table(page, answer):
    page.get_by_text("Values as a table").click()
    table = page.get_by_role("region", name="Interest weights after each event")
    heads = table.locator("thead th").all_inner_texts()[1:]
    rows = table.locator("tbody tr")
    assert rows.count() == len(answer["timeline"]["timestamps"])
    last = rows.last.locator("td").all_inner_texts()
    weights = {series["name"]: series["weights"] for series in answer["timeline"]["series"]}
    for name, said in zip(heads, last, strict=True):
        if name in weights and not said.startswith("<"):
            assert float(said.strip("%")) / 100 == pytest.approx(weights[name][-1], abs=6e-3)


def test_an_interest_opens_to_its_evidence(page, answer):
    interest = answer["interests"][0]
    row = page.locator("#bands details").filter(has_text=interest["name"]).first
    row.locator("summary").click()
    titles = row.locator("li").all_inner_texts()
    assert titles == [event["title"] for event in reversed(interest["events"])]
    said = row.locator(".evidence p").inner_text()
    assert ("p = " in said or "p < " in said) == (interest["trend"] != "steady")
