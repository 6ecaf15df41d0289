"""The operator's view, in a real browser against a gateway that asks for a key."""

import re
import time

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from genrec.experiments import Experiment
from genrec.schema import Event
from genrec.serving.http.security.keys import hash_key
from genrec.serving.store import (
    EventStore,
    Impression,
    ImpressionStore,
    StoredEvent,
    connect,
)
from genrec.training.continual import Start, write_update
from tests.serving.page.browsing import keep

KEY = "a-key-of-an-operator-in-this-test"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LOOKS = {
    f"{size}-{scheme}": {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for size, width in (("desktop", 1280), ("phone", 390))
    for scheme in ("light", "dark")
}


@pytest.fixture(scope="module")
def store(new_store):
    return new_store("sqlite")


@pytest.fixture(scope="module")
def shop_gateway(shop_run, new_server, store):
    return new_server(store, run=shop_run, threads=1, api_keys=f"operator:{hash_key(KEY)}")


@pytest.fixture(scope="module")
def client(shop_gateway):
    """Asks with the key."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=shop_gateway.url, timeout=60, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def shown(client):
    """Two pages were shown, the first item of one was bought."""
    for user in ("u1", "u2"):
        answer = client.post("/v1/recommend", json={"user_id": user, "k": 3}).json()
    event = {
        "user_id": "u2",
        "item_id": answer["items"][0]["item_id"],
        "event_type": "purchase",
        "recommendation_id": answer["recommendation_id"],
    }
    assert client.post("/v1/events", json={"events": [event]}).status_code == 200


@pytest.fixture(scope="module")
def tested(client, store):
    """An experiment whose new arm is clicked twice as often, but which many dislike."""
    experiment = {"experiment": "spread", "arms": {"as <before>": 2, "spread": 1}, "is": "spread"}
    rule = {"rule": {"diversity": 0.01, "arm": experiment}, "always": True}
    assert client.put("/v1/rules/spread-out", json=rule).status_code == 200
    assign = Experiment("spread", experiment["arms"]).assign
    users = [f"visitor-{n}" for n in range(1500)]
    now, items = int(time.time()), (("i1", -1.0), ("i2", -2.0))
    engine = connect(store)
    names = ImpressionStore(engine).add(
        [
            Impression(user, now, items, "shop", None, arms=(("spread", assign(user)),))
            for user in users
        ]
    )
    followed = [
        StoredEvent(Event(user, item_id, now, event_type), None, name)
        for n, (user, name) in enumerate(zip(users, names, strict=True))
        for item_id, event_type, every in (
            ("i1", "view", 2 if assign(user) == "spread" else 4),
            ("i2", "not_interested", 3 if assign(user) == "spread" else 20),
        )
        if n % every == 0
    ]
    EventStore(engine).add(followed)
    engine.dispose()


@pytest.fixture
def open_operator(new_page, shop_gateway):
    def make(**options):
        page = new_page(allowed="status of (4|503)", at=shop_gateway.url, **options)
        page.goto("/operator")
        dialog = page.get_by_role("dialog", name="This gateway asks for a key")
        expect(dialog).to_contain_text("Kept in memory only")
        dialog.get_by_label("API key").fill(KEY)
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#items .item").first).to_be_visible()
        expect(page.locator("#figures .figure").first).to_be_visible()
        return page

    return make


def figure(page, name):
    card = page.locator(".figure").filter(has=page.get_by_role("heading", name=name, exact=True))
    return card.locator(".figure-value")


def test_the_key_stays_in_memory(open_operator, shop_gateway):
    page = open_operator()
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
    assert KEY not in page.content() and KEY not in shop_gateway.log
    page.reload()
    expect(page.get_by_role("dialog", name="This gateway asks for a key")).to_be_visible()


def test_traffic_and_health_are_what_metrics_say(open_operator, client, shown):
    page = open_operator()
    state = page.locator("#state")
    expect(state).to_contain_text("Ready")
    expect(state).to_contain_text("2 answers shown")
    row = page.locator("#routes tr").filter(has_text="/v1/recommend")
    lines = client.get("/metrics").text.splitlines()
    counted = 'genrec_requests_total{method="POST",route="/v1/recommend",status="200"} '
    answered = next(line for line in lines if line.startswith(counted)).rpartition(" ")[2]
    assert row.locator("td").first.inner_text() == str(int(float(answered)))
    within = row.locator("td").nth(3).inner_text()
    assert re.fullmatch(r"[\d.]+ ms", within)
    expect(page.locator("#rate svg")).to_have_attribute(
        "aria-label", re.compile(r"^Requests a second: now \d")
    )
    live = page.get_by_role("button", name="Live")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "false")


def test_a_gateway_that_is_not_ready_says_why(open_operator):
    page = open_operator()
    error = {"error": {"code": "store_unavailable", "message": "the event store is away"}}
    page.route("**/ready", lambda route: route.fulfill(status=503, json=error))
    page.get_by_role("button", name="Live").click()
    page.get_by_role("button", name="Live").click()
    tile = page.locator(".tile").first
    expect(tile).to_contain_text("Not ready")
    expect(tile).to_contain_text("the event store is away")


def test_online_metrics_are_the_gateways(open_operator, client, shown):
    page = open_operator()
    now = client.get("/v1/online-metrics", params={"days": 7}).json()["last_24_hours"]
    expect(figure(page, "Pages shown")).to_have_text(str(now["pages"]))
    expect(figure(page, "Clicked")).to_have_text(f"{now['click_through']:.0%}")
    expect(figure(page, "Gini")).to_have_text(f"{now['gini']:.2f}")
    page.get_by_text("By rank, last 24 hours").click()
    rows = page.get_by_role("region", name="Clicks by rank").locator("tbody tr")
    expect(rows).to_have_count(len(now["ranks"]))
    page.get_by_text("Every day as a table").click()
    days = page.get_by_role("region", name="Figures by day").locator("tbody tr")
    expect(days).to_have_count(7)
    page.get_by_role("radio", name="30 days").check()
    expect(days).to_have_count(30)
    expect(days.nth(29).locator("td").nth(2)).to_have_text("–")


@pytest.fixture(scope="module")
def update(shop_run):
    """An adapter of the shop's run: its head as it is."""
    start = Start(shop_run)
    write_update(shop_run.parent / "updates" / "operator", start, start.head(), {})
    return "updates/operator"


def test_a_promotion_is_rolled_back_after_a_question(open_operator, client, update):
    page = open_operator()
    expect(page.locator("#serving")).to_have_text("the run as it was trained")
    expect(page.get_by_role("button", name="Roll back …")).to_be_hidden()
    body = {"path": update, "reason": "<b>better</b> on the newest days"}
    promoted = client.post("/v1/promotions", json=body)
    assert promoted.status_code == 200, promoted.text
    page = open_operator()
    expect(page.locator("#serving")).to_have_text(update)
    expect(page.locator(".decision").first).to_contain_text(body["reason"])
    page.get_by_role("button", name="Roll back …").click()
    dialog = page.get_by_role("dialog", name="Roll back?")
    expect(dialog).to_contain_text(update)
    dialog.get_by_role("button", name="Keep").click()
    assert client.get("/v1/promotions").json()["serving"]["decision"] == "promoted"
    page.get_by_role("button", name="Roll back …").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.locator("#news")).to_contain_text("Rolled back: the run as it was trained")
    expect(page.locator("#serving")).to_have_text("the run as it was trained")
    expect(page.locator(".decision .verdict")).to_have_text(["rolled back", "promoted"])
    expect(page.get_by_role("heading", name="Model")).to_be_focused()
    journal = client.get("/v1/promotions").json()
    assert journal["serving"]["decision"] == "rolled back"
    assert journal["serving"]["who"] == "key operator"
    # There is nothing before it.
    page.get_by_role("button", name="Roll back …").click()
    dialog.get_by_role("button", name="Roll back").click()
    refused = client.post("/v1/promotions/rollback").json()["error"]["message"]
    expect(page.get_by_role("alert").first).to_contain_text(refused)


def test_experiments_say_what_the_gateway_says(open_operator, client, tested):
    page = open_operator()
    (told,) = client.get("/v1/experiments").json()["experiments"]
    trial = page.locator("#trials .trial")
    expect(trial).to_contain_text("running")
    expect(trial.locator(".outcome")).to_have_text(told["result"]["verdict"])
    assert told["result"]["winner"] == "as <before>"
    arms = trial.get_by_role("table", name="Arms of spread").locator("tbody tr")
    for row, arm in zip(arms.all(), told["arms"], strict=True):
        expect(row.get_by_role("rowheader")).to_contain_text(arm["arm"])
        expect(row.locator("td").nth(1)).to_have_text(f"{arm['users']:,}")
    differences = trial.get_by_role("table", name="Differences of spread").locator("tbody tr")
    expect(differences.locator(".state")).to_have_text(["better", "open", "harmed"])
    (clicks,) = told["result"]["differences"]
    expect(differences.first).to_contain_text(f"+{clicks['lift']:.0%}")
    expect(trial).to_contain_text("as assigned")
    client.delete("/v1/rules/spread-out")
    page.get_by_role("button", name="Count again").click()
    expect(trial).to_contain_text("ended")
    # More users of one arm than its share.
    mended = told | {"result": told["result"] | {"sample_ratio_p": 1e-5, "verdict": "mismatch"}}
    waits = {"name": "next", "result": None, "fault": "no page was shown yet"}
    waits["faults"] = ["rule 'next': its adapter is gone"]
    mixed = {"name": "mixed", "interleaved": True, "result": None}
    mixed["preference"] = {
        **{"winner": "spread", "verdict": "users prefer spread", "num_lists": 400},
        **{"value": 0.6, "low": 0.45, "high": 0.75, "num_users": 380},
    }
    answer = {"experiments": [mended, told | waits, told | mixed]}
    page.route("**/v1/experiments", lambda route: route.fulfill(json=answer))
    page.get_by_role("button", name="Count again").click()
    expect(trial.first.locator(".fault")).to_have_count(2)
    expect(trial.nth(1).locator(".outcome")).to_have_text("no page was shown yet")
    expect(trial.nth(1).locator(".fault")).to_have_text("rule 'next': its adapter is gone")
    preference = trial.nth(2).get_by_role("table", name="Preference of mixed").locator("tbody tr")
    expect(preference).to_contain_text("spread")
    expect(preference).to_contain_text("+0.450 to +0.750")
    expect(preference.locator(".state")).to_have_text("better")
    expect(trial.nth(2).locator(".tag").nth(1)).to_have_text("interleaved")


def test_an_item_is_retired_and_brought_back(open_operator, client):
    page = open_operator()
    page.get_by_role("searchbox").fill("i7")
    expect(page.locator("#found")).to_have_text("1 item for “i7”")
    row = page.locator("#items .item")
    row.get_by_role("button", name=re.compile("^Retire")).click()
    expect(row).to_contain_text("retired")
    expect(row.get_by_role("button", name=re.compile("^Bring back"))).to_be_focused()
    assert client.get("/v1/items/i7").json()["retired"]
    page.get_by_role("searchbox").fill("i7 ")
    expect(page.locator("#found")).to_contain_text("Nothing for")
    page.get_by_label("retired ones too").check()
    row.get_by_role("button", name=re.compile("^Bring back")).click()
    expect(row.get_by_role("button", name=re.compile("^Retire"))).to_be_focused()
    assert not client.get("/v1/items/i7").json()["retired"]


def test_an_item_is_edited_and_only_what_changed_is_sent(open_operator, client):
    page = open_operator()
    before = client.get("/v1/items/i3").json()
    page.get_by_role("searchbox").fill("i3")
    expect(page.locator("#found")).to_have_text("1 item for “i3”")
    row = page.locator("#items .item")
    row.get_by_role("button", name=re.compile("^Edit")).click()
    dialog = page.get_by_role("dialog", name=before["title"])
    dialog.get_by_label("Title").fill("A thing <b>renamed</b>")
    dialog.get_by_label("Recommended from").fill("2031-01-02T10:00")
    dialog.get_by_label("until").fill("2031-01-01T10:00")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("does not lie before")
    dialog.get_by_label("until").fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(row.locator(".item-title")).to_have_text("A thing <b>renamed</b>")
    expect(row.get_by_role("button", name=re.compile("^Edit"))).to_be_focused()
    after = client.get("/v1/items/i3").json()
    assert after["available_from"] is not None
    changed = {"title", "available_from"}
    assert {name for name in after if after[name] != before[name]} == changed


@pytest.mark.parametrize("look", LOOKS)
def test_every_look(look, open_operator, shown, tested):
    page = open_operator(**LOOKS[look], bypass_csp=True, reduced_motion="reduce")
    expect(page.locator("#rate svg")).to_be_visible()
    expect(page.locator(".trial .interval").first).to_be_visible()
    keep(page, f"operator-{look}", full_page=True)
    assert page.evaluate(OVERFLOW) == 0
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.locator("#items").get_by_role("button", name=re.compile("^Edit")).first.click()
    keep(page, f"operator-edit-{look}")
    assert page.evaluate(OVERFLOW) == 0
    for _ in range(2):  # with the dialog and without
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        page.keyboard.press("Escape")
        expect(page.locator("#editor")).to_be_hidden()


def test_by_keyboard_alone(open_operator):
    page = open_operator()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    met = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const node = document.activeElement;
                const seen = node.matches(".choice input") ? node.nextElementSibling : node;
                const style = getComputedStyle(seen);
                if (node === document.body) return null;
                return [node.id || node.name || node.textContent, style.outlineStyle !== "none"];
            }"""
        )
        if focus is None:  # round at the end
            break
        assert focus[1], focus
        met.add(focus[0])
    assert {"live", "search", "retired-too"} <= met
