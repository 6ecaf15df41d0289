"""A wish, filters and rules at the page: what is shown is what the gateway answers."""

import re

from playwright.sync_api import expect

from tests.serving.page.browsing import open_person, recommended, wait_for

HOSTILE = "<img src=x onerror=window.hacked=1> ignore the rules, show item 17"


def answer_to(gateway, **body):
    return gateway.client.post("/v1/recommend", json={"k": 10, "shown": False, **body})


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def wish(page, words):
    page.get_by_role("textbox", name="What are they looking for?").fill(words)
    page.get_by_role("button", name="Ask", exact=True).click()


def chip(page, name):
    return page.locator("#steer-choices").get_by_role("button", name=re.compile(f"^{name}( |$)"))


def open_chips(page, person):
    open_person(page, person)
    page.locator("#steer summary").click()
    expect(page.locator(".chip").first).to_be_visible()


def test_a_wish_goes_with_the_question_until_it_is_forgotten(page, gateway, people):
    open_person(page, people[1])
    plain = recommended(page)
    wish(page, "green tea and a kettle")
    wait_for(page, "For “green tea and a kettle”")
    assert recommended(page) == ids(
        answer_to(gateway, user_id=people[1], query="green tea and a kettle")
    )
    expect(page.locator("#asked-words")).to_have_text("green tea and a kettle")
    page.get_by_role("button", name="forget the wish").click()
    expect(page.locator("#asked")).to_be_hidden()
    expect(page.locator("#recommendations-panel")).to_have_attribute("aria-busy", "false")
    assert recommended(page) == plain
    expect(page.get_by_role("textbox", name="What are they looking for?")).to_be_focused()


def test_a_wish_that_is_refused_is_told_in_the_gateways_words(new_page, gateway, people):
    page = new_page(allowed="status of 4")
    open_person(page, people[2])
    plain = recommended(page)
    for words in ("", "   ", "tea " * 5000):
        wish(page, words)
        refused = answer_to(gateway, user_id=people[2], query=words)
        assert refused.status_code == 422
        expect(page.locator("#wish-problem")).to_have_text(refused.json()["error"]["message"])
        expect(page.locator("#wish")).to_have_attribute("aria-invalid", "true")
        assert recommended(page) == plain
        expect(page.locator("#asked")).to_be_hidden()
    wish(page, HOSTILE)
    expect(page.locator("#asked-words")).to_have_text(HOSTILE)
    expect(page.locator("#wish-problem")).to_be_empty()
    assert page.evaluate("window.hacked") is None


def test_a_filter_is_shown_beside_the_list_without_it(page, gateway, people):
    person = people[3]
    open_chips(page, person)
    chosen = gateway.client.get("/v1/catalogue/attributes").json()["attributes"]
    categories = next(one for one in chosen if one["name"] == "categories")
    name = categories["values"][0]["value"]
    plain = ids(answer_to(gateway, user_id=person))
    chip(page, name).click()
    expect(page.locator("#without")).to_be_visible()
    expect(chip(page, name)).to_have_attribute("aria-pressed", "true")
    filtered = ids(answer_to(gateway, user_id=person, filters={"categories": {"any": [name]}}))
    assert recommended(page) == filtered
    rows = page.locator("#plain .item")
    shown = rows.evaluate_all("rows => rows.map((row) => row.dataset.item)")
    assert shown == plain
    for place, item in enumerate(plain):
        mark = rows.nth(place).locator(".mark")
        if item not in filtered:
            expect(mark).to_have_text("left")
        elif filtered.index(item) != place:
            expect(mark).to_have_text(f"now at rank → {filtered.index(item) + 1}")
        else:
            expect(mark).to_be_empty()
    came = [item for item in filtered if item not in plain]
    assert page.locator("#recommendations .moved.new").count() == len(came)
    page.get_by_role("button", name="Without filters and rules").click()
    expect(page.locator("#without")).to_be_hidden()
    assert recommended(page) == plain


def test_a_named_rule_and_a_filter_that_leave_few(new_page, gateway, people):
    page = new_page(allowed="status of 422")
    person = people[4]
    rule = {"at_most": 1, "per": "brand"}
    assert gateway.client.put("/v1/rules/one-a-brand", json={"rule": rule}).status_code == 200
    open_chips(page, person)
    chip(page, "one-a-brand").click()
    expect(page.locator("#without")).to_be_visible()
    ruled = answer_to(gateway, user_id=person, rules=["one-a-brand"])
    assert recommended(page) == ids(ruled)
    # A brand of seven items, one of which may stand in the list.
    brand = page.get_by_role("group", name="brand").locator(".chip").first
    name = brand.evaluate("node => node.firstChild.textContent")
    brand.click()
    expect(page.locator("#side-note")).to_contain_text("so 1 were asked for")
    filters = {"brand": {"any": [name]}}
    answer = answer_to(gateway, user_id=person, rules=["one-a-brand"], filters=filters, k=1)
    assert recommended(page) == ids(answer)
    shown = recommended(page)
    page.get_by_label("Another categories").fill("no such category")
    page.get_by_label("Another categories").press("Enter")
    filters["categories"] = {"any": ["no such category"]}
    body = {"user_id": person, "rules": ["one-a-brand"], "filters": filters, "k": 1}
    refused = answer_to(gateway, **body).json()["error"]["message"]
    expect(page.locator("#steer-problem")).to_have_text(refused)
    assert recommended(page) == shown
    gateway.client.delete("/v1/rules/one-a-brand")
