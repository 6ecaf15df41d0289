"""A real gateway, a real Chromium, and pages that fail a test by what the browser says of them."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.serving.conftest import Server
from tests.serving.page.browsing import DESKTOP, LONGEST_WAIT_MS

_names = count(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; in CI its absence is a failure.

    Of a module: while Playwright runs, nothing else in the process can run an event loop.
    """
    chromium = os.environ.get("GENREC_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        message = "no Chromium here; on Debian: apt-get install chromium, or set GENREC_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=LONGEST_WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            # Containers run as root and have little shared memory.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def gateway(chain, tmp_path_factory) -> Iterator[Server]:
    """One gateway for all; tests keep apart by the people they use."""
    folder = tmp_path_factory.mktemp("page")
    store = f"sqlite:///{folder}/store.db"
    server = Server(
        folder, run=chain.sft, device="cpu", threads=1, port=0, rate_limit_per_s=0, store=store
    )
    yield server
    server.stop()


@pytest.fixture
def new_page(browser, gateway) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page on the gateway.

    At its end the test fails if a page logged an error, threw one, broke the content policy or
    asked for anything outside this machine. A test that provokes an error names it in ``allowed``.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def make(
        allowed: str = r"(?!)",
        at: str = gateway.url,
        viewport: dict[str, int] = DESKTOP,
        **options: object,
    ) -> Page:
        context = browser.new_context(viewport=viewport, base_url=at, locale="en-GB", **options)
        context.set_default_timeout(LONGEST_WAIT_MS)
        contexts.append(context)

        def hear(words: str) -> None:
            if not re.search(allowed, words):
                faults.append(words)

        def stay_here(route) -> None:
            if urlsplit(route.request.url).hostname == "127.0.0.1":
                route.continue_()
            else:
                faults.append(f"asked for {route.request.url}")
                route.abort()

        context.route("**/*", stay_here)
        page = context.new_page()
        page.on("pageerror", lambda error: hear(f"threw {error}"))
        page.on("console", lambda line: line.type in ("error", "warning") and hear(line.text))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def page(new_page) -> Page:
    return new_page()


@pytest.fixture
def newcomer() -> str:
    """A name nobody has."""
    return f"newcomer-{next(_names)}"


@pytest.fixture(scope="session")
def people(gateway) -> list[str]:
    """People of the prepared data, longest history first."""
    users = gateway.client.get("/v1/users", params={"limit": 1000}).json()["users"]
    return [user["user_id"] for user in sorted(users, key=lambda user: -user["num_events"])]
