"""What a person does at the page, in a real browser against a real gateway."""

import math
import re

from playwright.sync_api import expect

from tests.serving.page.browsing import (
    VIEW,
    catalogue_row,
    open_person,
    recommended,
    start_newcomer,
    wait_for,
)

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"\'&lt;b&gt;'


def events_of(gateway, person):
    return gateway.client.get(f"/v1/users/{person}").json()["events"]


def test_find_a_person_and_read_everything_about_them(page, gateway, people):
    person = people[0]
    page.goto("/")
    page.get_by_role("combobox", name="Person").press_sequentially(person[:-1])
    page.get_by_role("option", name=person).click()
    wait_for(page, person)
    assert page.url.endswith(f"#person={person}")
    events = events_of(gateway, person)
    expect(page.get_by_role("heading", level=1)).to_have_text(person)
    expect(page.locator("#history-count")).to_have_text(f"{len(events)} events")
    expect(page.locator(".event-title").first).to_have_text(events[-1]["title"])
    page.get_by_role("button", name=re.compile("^Show .* earlier")).click()
    titles = page.locator(".event-title").all_inner_texts()
    assert titles == [event["title"] for event in reversed(events)]
    rated = [event for event in reversed(events) if event["rating"] is not None]
    stars = page.locator(".stars .unseen").all_inner_texts()
    assert stars == [f"rated {event['rating']:g} of 5" for event in rated]
    reviews = [event["review"] for event in reversed(events) if event["review"]]
    assert page.locator("#history blockquote").all_inner_texts() == reviews


def test_recommendations_say_chance_score_and_reason(page, gateway, people):
    open_person(page, people[0])
    body = {"user_id": people[0], "k": 10, "explain": True}
    items = gateway.client.post("/v1/recommend", json=body).json()["items"]
    assert recommended(page) == [item["item_id"] for item in items]
    for place, item in enumerate(items):
        row = page.locator("#recommendations .item").nth(place)
        expect(row).to_contain_text(item["title"])
        expect(row.locator(".log")).to_contain_text(f"{item['score']:.2f}".replace("-", "−"))
        said = row.locator("strong").inner_text().rsplit(maxsplit=1)[-1]
        chance, true = float(said.strip("%<")) / 100, math.exp(item["score"])
        if said.startswith("<"):
            assert true < chance <= 0.001
        else:
            assert math.isclose(chance, true, rel_tol=0.1, abs_tol=6e-4)
        if item["reason"]:
            expect(row.locator(".reason")).to_have_text(item["reason"]["sentence"])
    widths = page.locator("#recommendations .bar-fill").evaluate_all(
        "bars => bars.map((bar) => bar.getBoundingClientRect().width)"
    )
    assert widths == sorted(widths, reverse=True)


def test_buying_an_item_changes_timeline_recommendations_and_interests(page, gateway, people):
    person = people[1]
    open_person(page, person)
    before, events = recommended(page), events_of(gateway, person)
    row, title = catalogue_row(page, 3)
    row.get_by_role("button", name="Buy").click()
    wait_for(page, f"bought {title}")
    expect(page.locator("#history-count")).to_have_text(f"{len(events) + 1} events")
    expect(page.locator(".event").first).to_contain_text(title)
    expect(page.locator(".event").first).to_contain_text("Bought")
    stored = events_of(gateway, person)
    assert stored[:-1] == events and stored[-1]["title"] == title
    assert stored[-1]["event_type"] == "purchase"
    after = recommended(page)
    assert after != before and stored[-1]["item_id"] not in after
    fresh = [item for item in after if item not in before]
    assert page.locator(".moved.new").count() == len(fresh)


def test_viewing_a_recommendation_takes_it_from_the_list(page, people):
    open_person(page, people[2])
    first = recommended(page)[0]
    page.locator("#recommendations .item").first.get_by_role("button", name=VIEW).click()
    wait_for(page, "viewed")
    assert first not in recommended(page)
    expect(page.locator("#recommendations-title")).to_be_focused()
    expect(page.locator(".event").first).to_contain_text("Viewed")


def test_a_review_with_a_rating_is_kept_and_stays_text(page, gateway, newcomer):
    page.goto("/")
    start_newcomer(page, newcomer)
    row, title = catalogue_row(page, 0)
    row.get_by_role("button", name="Review").click()
    dialog = page.get_by_role("dialog", name=title)
    dialog.get_by_role("radio", name="4").check()
    dialog.get_by_label("Review").fill(HOSTILE)
    dialog.get_by_role("button", name="Post event").click()
    wait_for(page, f"bought {title}")
    stored = events_of(gateway, newcomer)[-1]
    assert (stored["rating"], stored["review"]) == (4.0, HOSTILE)
    expect(page.locator(".event blockquote")).to_have_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_hostile_title_and_name_stay_text(page, gateway):
    item = {"item_id": "hostile", "title": HOSTILE, "brand": HOSTILE}
    answer = gateway.client.put("/v1/items", json={"items": [item]})
    assert answer.status_code == 200, answer.text
    page.goto("/")
    start_newcomer(page, "<b>bold</b>")
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>bold</b>")
    page.get_by_role("searchbox").fill("onerror")
    expect(page.locator("#found")).to_contain_text("“onerror”")
    row = page.locator("#catalogue .item")
    expect(row.locator(".item-title")).to_have_text(HOSTILE)
    row.get_by_role("button", name="Buy").click()
    wait_for(page, "bought")
    expect(page.locator(".event-title")).to_have_text(HOSTILE)
    assert page.locator("main img, main b").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_newcomer_begins_with_nothing_and_grows(page, gateway, newcomer):
    page.goto("/")
    start_newcomer(page, newcomer)
    expect(page.locator("#history")).to_contain_text("No events yet")
    expect(page.locator("#stream")).to_contain_text("The stream begins")
    expect(page.locator("#words")).to_have_text("Nothing is known of them yet.")
    assert len(recommended(page)) == 10
    for place in range(3):
        row, title = catalogue_row(page, place)
        row.get_by_role("button", name=VIEW).click()
        wait_for(page, f"viewed {title}")
        noun = "event" if place == 0 else "events"
        expect(page.locator("#history-count")).to_have_text(f"{place + 1} {noun}")
    assert len(events_of(gateway, newcomer)) == 3
    page.reload()
    wait_for(page, newcomer)
    expect(page.locator("#history-count")).to_have_text("3 events")


def test_a_newcomer_whose_name_is_taken_is_that_person(page, gateway, people):
    page.goto("/")
    start_newcomer(page, people[3])
    number = len(events_of(gateway, people[3]))
    expect(page.locator("#history-count")).to_have_text(f"{number} events")


def test_forgetting_asks_first_and_then_forgets(page, gateway, people):
    person = people[-1]  # whom no other test asks about
    open_person(page, person)
    page.get_by_role("button", name="Forget this person").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    assert gateway.client.get(f"/v1/users/{person}").status_code == 200
    page.get_by_role("button", name="Forget this person").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#news")).to_have_text(f"{person} is forgotten.")
    expect(page.get_by_role("heading", level=1)).to_have_text("What will they want next?")
    assert gateway.client.get(f"/v1/users/{person}").status_code == 404


def test_searching_the_catalogue(page, gateway, people):
    open_person(page, people[5])
    page.get_by_role("searchbox").fill("coffee")
    expect(page.locator("#found")).to_contain_text("“coffee”")
    found = gateway.client.get("/v1/items", params={"query": "coffee", "limit": 14}).json()["items"]
    titles = page.locator("#catalogue .item-title").all_inner_texts()
    assert titles == [item["title"] for item in found]
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.locator("#found")).to_contain_text("Nothing for")
    assert page.locator("#catalogue .item").count() == 0


def test_the_latest_person_wins_over_a_slow_answer(page, people):
    slow = []

    def delay(route):
        if people[6] in (route.request.post_data or ""):
            slow.append(route)  # answered after the other person's
        else:
            route.fallback()

    page.route("**/v1/recommend", delay)
    page.goto(f"/#person={people[6]}")
    expect(page.locator("#history-count")).not_to_be_empty()
    page.goto(f"/#person={people[7]}")
    wait_for(page, people[7])
    shown = recommended(page)
    with page.expect_response("**/v1/recommend"):
        slow[0].continue_()
    page.wait_for_timeout(200)
    assert recommended(page) == shown
    expect(page.get_by_role("heading", level=1)).to_have_text(people[7])


def test_every_call_is_logged_with_its_time(page, people):
    open_person(page, people[8])
    expect(page.locator("#last-calls")).to_contain_text(re.compile(r"/v1/\w+.* · 200 · [\d.]+ ms"))
    page.locator("#calls-details summary").click()
    row = page.locator("#calls tr").filter(has_text="POST /v1/recommend").first
    cells = row.locator("td").all_inner_texts()
    assert cells[0] == "200"
    engine, whole = (float(cell.removesuffix(" ms")) for cell in cells[1:3])
    assert 0 < engine <= whole + 1
