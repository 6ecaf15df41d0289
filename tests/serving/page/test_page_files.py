"""How the page's files are sent, without a browser."""

import posixpath
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from genrec.serving import page

NAMES = sorted(
    path.relative_to(page.STATIC).as_posix() for path in page.STATIC.rglob("*") if path.is_file()
)
SCRIPTS = [name for name in NAMES if name.endswith(".js")]
PAGES = ["index.html", "operator.html"]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    page.install(app)
    return TestClient(app)


def text(name: str) -> str:
    return (page.STATIC / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/operator", "text/html; charset=utf-8"),
        ("/page/js/main.js", "text/javascript; charset=utf-8"),
        ("/page/css/base.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/page/fonts/inter-latin-wght-normal.woff2", "font/woff2"),
    ],
)
def test_every_kind_of_file_has_its_type_and_headers(client, path, media_type):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"]
    assert client.head(path).headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("path", ["/", "/operator"])
def test_the_policy_allows_nothing_inline_and_nothing_foreign(client, path):
    policy = client.get(path).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources <= {"'none'", "'self'", "'script'"}


def test_a_browser_keeps_what_has_not_changed(client):
    first = client.get("/page/js/main.js")
    again = client.get("/page/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/page/js/main.js", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize(
    "path", ["/page/none.js", "/page/../__init__.py", "/page/%2e%2e/__init__.py", "/page/", "/page"]
)
def test_no_other_file_is_sent(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert b"import" not in answer.content


def test_nothing_names_a_foreign_origin():
    namespace = "http://www.w3.org/2000/svg"
    for name in NAMES:
        if name.endswith((".html", ".js", ".css", ".svg")):
            assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text(name).replace(namespace, ""))


@pytest.mark.parametrize("name", PAGES)
def test_markup_has_no_inline_script_or_style(name):
    html = text(name)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_never_parse_markup(name):
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.search(forbidden, text(name))


def test_every_file_is_used_and_every_used_file_is_there():
    used = {*PAGES}.union(
        *(re.findall(r'(?:href|src)="page/([^"]+)"', text(name)) for name in PAGES)
    )
    for name in SCRIPTS:
        folder = posixpath.dirname(name)
        for module in re.findall(r'from "(\.[^"]+)"', text(name)):
            used.add(posixpath.normpath(f"{folder}/{module}"))
    for name in NAMES:
        if name.endswith(".css"):
            used |= {f"fonts/{font}" for font in re.findall(r'\.\./fonts/([^"]+)"', text(name))}
    documents = {name for name in NAMES if name.endswith((".md", ".txt"))}
    assert used == set(NAMES) - documents


def test_fonts_are_named_with_their_licence():
    words = text("fonts/README.md")
    for name in NAMES:
        if name.startswith("fonts/") and not name.endswith(".md"):
            assert name.removeprefix("fonts/") in words
