"""The profile that a person corrects: receipts, wishes, gifts and the way back."""

import re

import pytest
from playwright.sync_api import expect

from tests.serving.page.browsing import open_person, recommended, start_newcomer, wait_for


@pytest.fixture
def preferences(gateway):
    """Read what is stored of people; at the end nothing is."""
    asked = set()

    def read(person):
        asked.add(person)
        return gateway.client.get(f"/v1/users/{person}/preferences").json()

    yield read
    for person in asked:
        gateway.client.delete(f"/v1/users/{person}/preferences")


def beliefs(page):
    expect(page.locator("#profile .belief").first).to_be_visible()
    return page.locator("#profile .belief")


def test_every_interest_shows_its_receipt(page, preferences, people):
    open_person(page, people[0])
    interests = preferences(people[0])["interests"]
    more = page.get_by_role("button", name=re.compile("^Show .* other"))
    if len(interests) > 6:
        more.click()
    assert beliefs(page).locator("h3").all_inner_texts() == [one["name"] for one in interests]
    for place, interest in enumerate(interests):
        row = beliefs(page).nth(place)
        facts = row.locator("p.note").inner_text()
        assert facts.startswith("said by ")
        assert ("the model" in facts) == ("model" in interest["said_by"])
        assert ("since" in facts) == (interest["since"] is not None)
        titles = row.locator(".receipt li span:first-child").all_text_contents()
        assert titles == [event["title"] for event in reversed(interest["events"])]


def test_less_of_an_interest_and_undo(page, gateway, preferences, people):
    person = people[12]  # for whom no other test posts events
    open_person(page, person)
    plain = recommended(page)

    def steered_by(*preferences):
        body = {"user_id": person, "shown": False, "preferences": preferences}
        answer = gateway.client.post("/v1/recommend", json=body)
        return [item["item_id"] for item in answer.json()["items"]]

    # Of those that the page shows at once, one that the list owes something to.
    names = [interest["name"] for interest in preferences(person)["interests"][:6]]
    name = next(name for name in names if steered_by({"less": name}) != plain)
    less = page.get_by_role("button", name=f"Less: {name}")
    less.click()
    wait_for(page, f"Less of {name}")
    assert preferences(person)["preferences"] == [{"less": name}]
    button = page.get_by_role("button", name=f"Less: {name}")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    steered = gateway.client.post("/v1/recommend", json={"user_id": person, "shown": False})
    assert recommended(page) == [item["item_id"] for item in steered.json()["items"]] != plain
    # Another wish about the same takes the place of the first.
    page.get_by_role("button", name=f"Pin: {name}").click()
    wait_for(page, f"Always some of {name}")
    assert preferences(person)["preferences"] == [{"pin": name}]
    page.get_by_role("button", name="Undo").click()
    wait_for(page, "Undone")
    assert preferences(person)["preferences"] == [{"less": name}]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    expect(page.locator("#profile-panel")).to_have_attribute("aria-busy", "false")
    assert preferences(person)["preferences"] == []
    assert recommended(page) == plain


def test_a_gift_is_left_out_and_comes_back(page, preferences, people):
    person = people[2]
    open_person(page, person)
    interest = next(one for one in preferences(person)["interests"] if len(one["events"]) > 2)
    row = beliefs(page).filter(has=page.get_by_text(interest["name"], exact=True)).first
    row.locator("summary").click()
    newest = interest["events"][-1]
    row.get_by_role("button", name=f"That was a gift: {newest['title']}").first.click()
    wait_for(page, f"A gift, left out: {newest['title']}")
    gift = {"gift": {"item_id": newest["item_id"], "timestamp": newest["timestamp"]}}
    assert preferences(person)["preferences"] == [gift]
    expect(page.locator("#gift-list")).to_contain_text(newest["title"])
    assert newest["item_id"] not in recommended(page)
    page.get_by_role("button", name=f"Not a gift: {newest['title']}").click()
    wait_for(page, "No gift")
    expect(page.locator("#gifts")).to_be_hidden()
    assert preferences(person)["preferences"] == []


def test_what_was_said_elsewhere_is_shown_and_taken_back(page, gateway, preferences, people):
    person = people[3]
    interest = preferences(person)["interests"][0]
    said = [{"less": interest["prefix"]}, {"never": {"brand": "Aperta"}}]
    path = f"/v1/users/{person}/preferences"
    assert gateway.client.put(path, json={"preferences": said}).status_code == 200
    open_person(page, person)
    button = page.get_by_role("button", name=f"Less: {interest['name']}")
    expect(button).to_have_attribute("aria-pressed", "true")
    never = page.get_by_role("button", name='Never: {"brand": "Aperta"}')
    expect(never).to_have_attribute("aria-pressed", "true")
    never.click()
    wait_for(page, "No longer")
    assert preferences(person)["preferences"] == said[:1]
    page.get_by_role("button", name="Take all back").click()
    wait_for(page, "All of it is taken back")
    assert preferences(person)["time"] is None


def test_a_wish_that_is_refused_changes_nothing(new_page, preferences, people):
    page = new_page(allowed="ERR_FAILED")
    person = people[4]
    name = preferences(person)["interests"][0]["name"]
    open_person(page, person)
    page.route("**/preferences", lambda route: route.abort(), times=1)
    beliefs(page).first.get_by_role("button", name=f"Never: {name}").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    never = page.get_by_role("button", name=f"Never: {name}")
    expect(never).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    page.get_by_role("button", name="Try again").click()
    expect(never).to_have_attribute("aria-pressed", "true")
    assert preferences(person)["preferences"] == [{"never": name}]


def test_somebody_without_events_has_no_profile(page, newcomer):
    page.goto("/")
    start_newcomer(page, newcomer)
    expect(page.locator("#profile-panel")).to_be_hidden()
