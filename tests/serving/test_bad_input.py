"""Every wrong request is answered by one clear error; thousands of fuzzed ones too."""

import json
import time
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

NOW = int(time.time())
JSON_TYPE = {"Content-Type": "application/json"}
EVENT = {"user_id": "u", "item_id": "P001"}


@pytest.fixture(scope="module")
def client(new_client):
    return new_client("sqlite", max_events=20, max_filter_items=30)


def fault_of(answer, status):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


BAD = [
    ("recommend", {}, 422, "give either user_id or events"),
    ("recommend", {"user_id": "u", "events": []}, 422, "give either user_id or events"),
    ("recommend", {"user_id": "nobody"}, 404, "'nobody'"),
    ("recommend", {"events": [], "k": 0}, 422, "body.k: Input should be greater"),
    ("recommend", {"events": [], "k": -1}, 422, "body.k"),
    ("recommend", {"events": [], "k": 10**6}, 422, "k=1000000; at most 500"),
    ("recommend", {"events": [], "k": 10**30}, 422, "at most 500"),
    ("recommend", {"events": [], "k": "5"}, 422, "body.k: Input should be a valid integer"),
    ("recommend", {"events": [], "k": 2.5}, 422, "body.k"),
    ("recommend", {"events": [], "candidates": ["nope"]}, 422, "candidates: no item 'nope'"),
    ("recommend", {"events": [], "exclude": ["nope"]}, 422, "exclude: no item 'nope'"),
    ("recommend", {"events": [], "candidates": []}, 422, "leave 0 of"),
    ("recommend", {"events": [], "candidates": ["P001"] * 31}, 422, "at most 30"),
    ("recommend", {"events": [{"item_id": "nope"}]}, 422, "no item 'nope'"),
    ("recommend", {"events": [], "surprise": 1}, 422, "body.surprise: Extra inputs"),
    ("recommend", {"events": [], "at": "yesterday"}, 422, "body.at"),
    ("recommend", {"events": [], "query": " \t"}, 422, "body.query: is empty; say something"),
    ("recommend", {"events": [], "query": "a\x00b"}, 422, "body.query: holds the character NUL"),
    ("recommend", {"events": [], "query": "tea " * 25_000}, 422, "at most 10000"),
    ("recommend", [], 422, "body"),
    ("recommend", None, 422, "body"),
    ("interests", {"events": [], "top": 0}, 422, "body.top"),
    ("interests", {"user_id": "nobody"}, 404, "post some to /v1/events first"),
    ("events", {"events": []}, 422, "at least 1 item"),
    ("events", {"events": [EVENT] * 21}, 422, "21 events in one request; at most 20"),
    ("events", {"events": [{"item_id": "P001"}]}, 422, "events.0.user_id: Field required"),
    ("events", {"events": [EVENT | {"timestamp": NOW + 3600}]}, 422, "in the future"),
    ("events", {"events": [EVENT | {"timestamp": NOW * 1000}]}, 422, "not milliseconds"),
    ("events", {"events": [EVENT | {"timestamp": 10**18}]}, 422, "events.0.timestamp"),
    ("events", {"events": [EVENT | {"timestamp": -1}]}, 422, "events.0.timestamp"),
    ("events", {"events": [EVENT | {"timestamp": True}]}, 422, "events.0.timestamp"),
    ("events", {"events": [EVENT | {"user_id": ""}]}, 422, "events.0.user_id"),
    ("events", {"events": [EVENT | {"user_id": "a\x00b"}]}, 422, "events.0.user_id"),
    ("events", {"events": [EVENT | {"review": "a\x00b"}]}, 422, "events.0.review"),
    ("events", {"events": [EVENT | {"user_id": "x" * 300}]}, 422, "at most 256"),
    ("events", {"events": [EVENT | {"review": "x" * 30_000}]}, 422, "at most 20000"),
    ("adapters/use", {"name": "nope"}, 404, "PUT /v1/adapters/NAME"),
    ("adapters/use", {"name": "../x"}, 422, "body.name"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), BAD)
def test_a_wrong_body_is_told_what_is_wrong(client, path, body, status, words):
    assert words in fault_of(client.post(f"/v1/{path}", json=body), status)["message"]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "Field required"),
        (b"{", 422, "JSON decode error"),
        (b"\xff\xfe\x00", 400, "not JSON in UTF-8"),
        (b'{"user_id": "\xff"}', 400, "not JSON in UTF-8"),
        (b'{"user_id": "\\ud800"}', 422, "unicode"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"9" * 10_000, 400, "not JSON"),
        (b'{"events": [{"item_id": "P001", "rating": NaN}]}', 422, "finite"),
        (b'{"events": [{"item_id": "P001", "rating": 1e999}]}', 422, "finite"),
        (b"x" * 10_000_000, 413, "exceeds 1048576 bytes"),
        (b'{"user_id": "' + b"x" * 10_000_000 + b'"}', 413, "exceeds 1048576 bytes"),
    ],
    ids=repr,
)
def test_bytes_that_are_no_json(client, content, status, words):
    answer = client.post("/v1/recommend", content=content, headers=JSON_TYPE)
    assert words in fault_of(answer, status)["message"]


def test_a_large_body_of_unknown_length_is_cut_off(client):
    chunks = (b" " * 100_000 for _ in range(100))
    answer = client.post("/v1/recommend", content=chunks, headers=JSON_TYPE)
    assert fault_of(answer, 413)["code"] == "body_too_large"


def test_a_form_is_not_taken_for_json(client):
    """Such a request a browser sends for any page without asking us first."""
    answer = client.post("/v1/events", content=json.dumps({"events": [EVENT]}))
    assert "Content-Type: application/json" in fault_of(answer, 422)["message"]


def test_addresses_that_are_none(client):
    assert fault_of(client.get("/v2/users"), 404)["code"] == "not_found"
    assert fault_of(client.get("/v1/recommend"), 405)["code"] == "method_not_allowed"
    assert fault_of(client.get("/v1/users/%00"), 422)
    assert fault_of(client.get("/v1/users", params={"limit": 0}), 422)


def test_an_adapter_that_cannot_be_loaded(client, chain, tmp_path):
    def load(path):
        return client.put("/v1/adapters/new", json={"path": str(path)})

    assert "does not exist" in fault_of(load("nope"), 422)["message"]
    assert "'pretrain' artifact" in fault_of(load("pretrain"), 422)["message"]
    assert fault_of(load("../../etc"), 422)["code"] == "path_not_allowed"
    assert fault_of(load(tmp_path), 422)["code"] == "path_not_allowed"
    assert fault_of(client.delete("/v1/adapters/nope"), 404)["code"] == "unknown_adapter"
    used = client.get("/v1/adapters").json()["adapter"]
    assert fault_of(client.delete(f"/v1/adapters/{used}"), 409)["code"] == "adapter_in_use"


def test_an_adapter_of_another_table_is_refused(new_client, chain, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for file in chain.sft.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["parents"]["base"]["content_hash"] = "0" * 16
    (other / "manifest.json").write_text(json.dumps(manifest))
    client = new_client("sqlite", adapters_dir=tmp_path)
    answer = client.put("/v1/adapters/other", json={"path": "other"})
    assert fault_of(answer, 422)["code"] == "artifact"
    assert client.get("/v1/adapters").json()["adapters"] == ["default"]


FUZZ = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

# Values that come close to right ones, at any depth, and nonsense.
ODD_TEXT = st.sampled_from(
    [
        "",
        "P001",
        "u",
        "\x00",
        "\ud800",
        "x" * 400,
        "<|item|><a_1>",
        "'; DROP TABLE events",
        "..",
        "ü",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**6, 2**63, -(2**63), 10**40, NOW, NOW + 10**6, NOW * 1000]),
    st.floats(),
    ODD_TEXT,
)
NAMES = st.sampled_from(
    "user_id events item_id event_id timestamp event_type rating title review k exclude only at "
    "filter_seen explain top items brand categories description text name path "
    "filters rules rule always attributes shown cursor ban boost by pin at_most per any lte".split()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | ODD_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.fixed_dictionaries(
        {"events": st.lists(st.dictionaries(NAMES, SCALARS, max_size=5), max_size=3)},
        optional={
            "k": SCALARS,
            "candidates": VALUES,
            "exclude": VALUES,
            "at": SCALARS,
            "top": SCALARS,
            "filters": VALUES,
            "rules": st.lists(VALUES, max_size=2),
        },
    ),
    st.fixed_dictionaries(
        {"rule": st.dictionaries(NAMES, VALUES, max_size=2)}, optional={"always": SCALARS}
    ),
    st.fixed_dictionaries(
        {"items": st.lists(st.dictionaries(NAMES, SCALARS, max_size=4), max_size=2)}
    ),
    VALUES,
).map(lambda value: json.dumps(value).encode())
CUT = st.tuples(BODIES, st.integers(0, 60)).map(lambda pair: pair[0][: pair[1]])
CONTENTS = st.one_of(BODIES, BODIES, CUT, st.binary(max_size=60))
ROUTES = [
    ("POST", "/v1/events"),
    ("POST", "/v1/recommend"),
    ("POST", "/v1/interests"),
    ("PUT", "/v1/items"),
    ("PATCH", "/v1/items/P001"),
    ("POST", "/v1/adapters/use"),
    ("PUT", "/v1/rules/odd"),
    ("POST", "/v1/similar"),
]


async def send(app, method, path, content):
    """Pass one request to an application; return status and body. A client costs ten times that."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"test"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }
    messages = []

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    async def collect(message):
        messages.append(message)

    await app(scope, receive, collect)
    return messages[0]["status"], b"".join(one.get("body", b"") for one in messages[1:])


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_ten_thousand_fuzzed_bodies(client, method, path):
    """A share of them for each route: none is an internal error, each fault has a message."""
    statuses = set()

    @settings(FUZZ, max_examples=10_000 // len(ROUTES))
    @given(CONTENTS)
    def fuzz(content):
        status, answer = client.portal.call(send, client.app, method, path, content)
        statuses.add(status)
        assert status < 500, (content, answer)
        if status >= 400:
            fault = json.loads(answer)["error"]
            assert fault["code"] and fault["message"]
            assert b"Traceback" not in answer and b".py" not in answer

    fuzz()
    assert {400, 422} <= statuses


CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@pytest.mark.slow
def test_the_openapi_document_says_what_is_answered(new_server, new_store):
    """Requests made from the document, right and wrong ones, against a real gateway."""
    server = new_server(new_store("sqlite"))
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == 37
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    for operation in operations:
        for mode in modes:

            @settings(FUZZ, max_examples=8)
            @given(operation.as_strategy(generation_mode=mode))
            def check(case):
                case.call_and_validate(checks=CHECKS)

            # An address that takes nothing cannot be asked wrongly.
            with suppress(Unsatisfiable):
                check()
