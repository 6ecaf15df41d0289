"""What the page says when something goes wrong, and the way out it offers."""

import re

import pytest
from playwright.sync_api import expect

from genrec.serving.http.security.keys import hash_key
from tests.serving.page.browsing import VIEW, catalogue_row, open_person, recommended, wait_for

KEY = "a-key-of-thirty-two-characters-00"


def test_the_gateways_own_words_are_shown(new_page):
    page = new_page(allowed="status of 4")
    page.goto(f"/#person={'x' * 2000}")
    problem = page.get_by_role("alert")
    expect(problem).not_to_be_empty()
    assert len(problem.locator("p").inner_text()) > 20
    problem.get_by_role("button", name="Dismiss").click()
    expect(problem).to_be_empty()


def test_a_lost_connection_is_said_and_the_event_is_not_lost(new_page, gateway, people):
    person = people[0]
    page = new_page(allowed="ERR_INTERNET_DISCONNECTED")
    open_person(page, person)
    number = len(gateway.client.get(f"/v1/users/{person}").json()["events"])
    page.context.set_offline(True)
    row, title = catalogue_row(page, 0)
    row.get_by_role("button", name="Buy").click()
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The gateway does not answer.")
    expect(page.locator("#last-calls")).to_contain_text("POST /v1/events · no answer")
    page.context.set_offline(False)
    problem.get_by_role("button", name="Try again").click()
    wait_for(page, f"bought {title}")
    expect(problem).to_be_empty()
    stored = gateway.client.get(f"/v1/users/{person}").json()["events"]
    assert len(stored) == number + 1


def test_trying_again_stores_an_event_once(new_page, gateway, people):
    """The answer is lost on the way back: the gateway has the event, the page does not know."""
    person = people[1]
    page = new_page(allowed="ERR_FAILED")
    open_person(page, person)
    number = len(gateway.client.get(f"/v1/users/{person}").json()["events"])

    def lose_answer(route):
        route.fetch()
        route.abort()

    page.route("**/v1/events", lose_answer, times=1)
    row, title = catalogue_row(page, 1)
    row.get_by_role("button", name=VIEW).click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.get_by_role("button", name="Try again").click()
    wait_for(page, f"viewed {title}")
    stored = gateway.client.get(f"/v1/users/{person}").json()["events"]
    assert len(stored) == number + 1


def test_a_gateway_that_limits_its_callers_and_then_is_killed(
    new_page, new_server, new_store, people
):
    limits = {"rate_limit_per_s": 0.01, "rate_limit_burst": 6}
    server = new_server(new_store("sqlite"), threads=1, **limits)
    page = new_page(allowed="status of 429|ERR_CONNECTION_REFUSED", at=server.url)
    open_person(page, people[2])  # five calls
    view = catalogue_row(page, 0)[0].get_by_role("button", name=VIEW)
    view.click()
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text(re.compile(r"Too many calls; try again in \d+ s"))
    shown = recommended(page)
    assert len(shown) == 10
    server.kill()
    view.click()
    expect(problem).to_contain_text("The gateway does not answer. See that it is running")
    assert recommended(page) == shown


@pytest.fixture(scope="module")
def locked(new_server, new_store):
    return new_server(new_store("sqlite"), threads=1, api_keys=f"page:{hash_key(KEY)}")


def test_a_key_is_asked_for_and_kept_in_the_tab(new_page, locked, people):
    page = new_page(allowed="status of 401", at=locked.url)
    page.goto("/")
    dialog = page.get_by_role("dialog", name="This gateway asks for a key")
    dialog.get_by_label("API key").fill("not-this-one")
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_contain_text("That key was refused")
    dialog.get_by_label("API key").fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".face").first).to_be_visible()
    page.reload()
    open_person(page, people[0])
    expect(dialog).to_be_hidden()
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]
    assert KEY not in page.url and KEY not in page.content() and KEY not in locked.log


def test_without_a_key_the_page_says_so(new_page, locked):
    page = new_page(allowed="status of 401", at=locked.url)
    page.goto("/")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text(re.compile("key", re.IGNORECASE))
    problem.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog")).to_be_visible()
