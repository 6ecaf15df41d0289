"""What-if and why at the page: what is shown is what the gateway answers to the same question."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.serving.page.browsing import DESKTOP, PHONE, keep, open_person, recommended, wait_for


def ask(gateway, **body):
    answer = gateway.client.post("/v1/recommend", json={"k": 10, **body})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def events_of(gateway, person):
    return gateway.client.get(f"/v1/users/{person}").json()["events"]


def turned_up(gateway, people):
    """Return a person, an expected interest, and what three nats for it recommend: other items."""
    for person in people:
        plain = ask(gateway, user_id=person)
        told = gateway.client.post("/v1/interests", json={"user_id": person}).json()
        for name in [each["name"] for each in told["expected"]]:
            bias = [{"interest": name, "strength": 3}]
            if (answer := ask(gateway, user_id=person, interest_bias=bias)) != plain:
                return person, name, answer
    raise AssertionError("nobody's recommendations can be turned")


def test_an_interest_turned_up_and_back(page, gateway, people):
    person, name, answer = turned_up(gateway, people)
    open_person(page, person)
    plain = recommended(page)
    page.locator("#what-if summary").click()
    expect(page.locator("#levers .name").first).to_be_visible()
    place = page.locator("#levers .name").all_inner_texts().index(name)
    lever = page.locator("#levers input").nth(place)
    lever.fill("3")
    expect(page.locator("#what-if-note")).to_have_text("1 interest turned")
    wait_for(page, "If it were so")
    assert recommended(page) == answer != plain
    expect(page.locator("#recommendations-title")).to_have_text("Recommended, if it were so")
    page.get_by_role("button", name="As it is").click()
    wait_for(page, "As it is")
    assert recommended(page) == plain
    assert lever.input_value() == "0"


def test_a_past_moment(page, gateway, people):
    person = people[1]
    open_person(page, person)
    events = events_of(gateway, person)
    moment = events[3]["timestamp"]
    page.locator("#what-if summary").click()
    page.locator("#as-of").fill("3")
    wait_for(page, "If it were so")
    expect(page.locator("#as-of-words")).to_contain_text(f"before {events[3]['title']}")
    assert recommended(page) == ask(gateway, user_id=person, as_of=moment)
    known = [event for event in events if event["timestamp"] < moment]
    page.get_by_role("button", name=re.compile("^Show .* earlier")).click()
    expect(page.locator("#history .event.out")).to_have_count(len(events) - len(known))


def test_an_event_left_out_and_put_back(page, gateway, people):
    person = people[3]
    open_person(page, person)
    plain, count = recommended(page), len(events_of(gateway, person))
    button = page.get_by_role("button", name=re.compile("^Leave out")).first
    button.click()
    wait_for(page, "If it were so")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert recommended(page) == ask(gateway, user_id=person, without=[count])
    button.click()
    wait_for(page, "As it is")
    assert recommended(page) == plain


def test_why_says_what_the_gateway_measured(page, gateway, people):
    person = people[0]
    open_person(page, person)
    row = page.locator("#recommendations .item").first
    item_id = row.get_attribute("data-item")
    button = row.get_by_role("button", name=re.compile("^Why"))
    button.click()
    body = {"user_id": person, "item_id": item_id}
    found = gateway.client.post("/v1/explain", json=body).json()
    expect(row.locator(".why-sentence")).to_have_text(found["sentence"])
    shown = row.locator(".effect .value").all_inner_texts()
    strongest = sorted(found["effects"], key=lambda one: -abs(one["nats"]))[:8]
    strongest.sort(key=lambda one: one["event"])
    numbers = [float(re.search(r"[+−]?\d+\.\d+", one)[0].replace("−", "-")) for one in shown]
    assert numbers == [round(one["nats"], 2) + 0.0 for one in strongest]
    assert row.locator(".effect.key").count() <= len(found["evidence"])
    button.click()
    expect(row.locator(".why")).to_be_hidden()


def test_what_if_and_why_in_both_sizes(new_page, people):
    for name, size, scheme in (("desktop", DESKTOP, "light"), ("phone", PHONE, "dark")):
        page = new_page(
            viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
        )
        open_person(page, people[0])
        page.locator("#what-if summary").click()
        page.locator("#levers input").nth(1).fill("2")
        wait_for(page, "If it were so")
        row = page.locator("#recommendations .item").first
        row.get_by_role("button", name=re.compile("^Why")).click()
        expect(row.locator(".why-sentence")).to_be_visible()
        page.locator("#recommendations-panel").scroll_into_view_if_needed()
        keep(page, f"what-if-{name}", full_page=True)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
