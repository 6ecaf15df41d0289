"""Who may ask, how often, and from which pages."""

import hashlib
import hmac

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from genrec.errors import ConfigError
from genrec.serving.__main__ import cli
from genrec.serving.http.security import keys as keys_module
from genrec.serving.http.security.guard import MAX_CALLERS, RateLimiter
from genrec.serving.http.security.keys import find_key, hash_key, make_key, read_keys
from genrec.serving.settings import read_settings

KEYS = {"shop": make_key(), "page": make_key()}
LISTED = ",".join(f"{name}:{hash_key(key)}" for name, key in KEYS.items())


@pytest.fixture(scope="module")
def client(new_client):
    return new_client("sqlite", api_keys=SecretStr(LISTED))


def get(client, authorization=None, path="/v1/users"):
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.get(path, headers=headers)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_known_key_may_ask(client, key):
    assert get(client, f"Bearer {key}").status_code == 200
    assert get(client, f"bearer  {key}").status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {KEYS['shop']}",
        KEYS["shop"],
        f"Bearer {KEYS['shop'][:-1]}",
        f"Bearer {KEYS['shop']}x",
        f"Bearer {hash_key(KEYS['shop'])}",
        "Bearer \xff",
    ],
    ids=range(10),
)
def test_no_other_may(client, authorization):
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = client.get("/v1/users", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthorized"


def test_every_route_of_the_api_needs_a_key_and_health_does_not(client):
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            guarded = path.startswith("/v1/")
            assert (answer.status_code == 401) == guarded, path
            assert bool(operation.get("security")) == guarded
    assert client.get("/v1/not-a-route").status_code == 401
    assert client.get("/").status_code == 200


def test_the_body_of_a_refused_request_is_not_read(client):
    async def never():
        raise AssertionError("the body was read")

    async def send(message):
        answered.append(message)

    answered = []
    scope = {"type": "http", "method": "POST", "path": "/v1/events", "headers": []}
    client.portal.call(client.app, scope, never, send)
    assert answered[0]["status"] == 401


def test_keys_are_compared_in_constant_time_every_one_of_them(monkeypatch):
    compared = []

    def watched(one, other):
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    keys = read_keys(LISTED, None)
    watching = type("hmac", (), {"compare_digest": staticmethod(watched)})
    monkeypatch.setattr(keys_module, "hmac", watching)
    assert find_key(keys, KEYS["shop"]) == "shop"
    assert len(compared) == 2
    assert {len(one) for pair in compared for one in pair} == {hashlib.sha256().digest_size}


def test_a_caller_over_its_rate_is_told_when_to_come_back(new_client):
    client = new_client(
        "sqlite", api_keys=SecretStr(LISTED), rate_limit_per_s=0.5, rate_limit_burst=3
    )
    shop, page = (f"Bearer {key}" for key in KEYS.values())
    assert [get(client, shop).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = get(client, shop)
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert answer.json()["error"]["code"] == "rate_limited"
    assert get(client, page).status_code == 200
    assert [get(client, "Bearer guess").status_code for _ in range(5)] == [401] * 3 + [429] * 2
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 429, "the engine is asked for nobody in particular"
    assert 'genrec_refused_total{reason="rate"} 6.0' in client.get("/metrics").text


def test_a_bucket_fills_at_its_rate():
    now = [0.0]
    limiter = RateLimiter(per_s=2, burst=4, clock=lambda: now[0])
    assert [limiter.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now[0] = 0.5
    assert limiter.wait_s("a") == 0 and limiter.wait_s("a") == 0.5
    now[0] = 100
    assert [limiter.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert RateLimiter(0, 1, lambda: 0.0).wait_s("a") == 0
    for number in range(MAX_CALLERS + 10):
        limiter.wait_s(str(number))
    assert len(limiter._buckets) == MAX_CALLERS


PREFLIGHT = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}


def test_pages_of_other_origins_may_not_call(client):
    assert (
        "access-control-allow-origin"
        not in client.options("/v1/recommend", headers=PREFLIGHT).headers
    )
    answer = client.get("/v1/users", headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_allowed_origins_may(new_client):
    client = new_client("sqlite", cors_origins=("https://shop.example",))
    answer = client.options("/v1/recommend", headers=PREFLIGHT)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    other = client.options("/v1/recommend", headers=PREFLIGHT | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_keys_are_read_from_a_file_with_comments(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\nshop:{hash_key(KEYS['shop'])}  # since May\n")
    keys = read_keys(f"page:{hash_key(KEYS['page'])}", file)
    assert find_key(keys, KEYS["shop"]) == "shop" and find_key(keys, KEYS["page"]) == "page"


@pytest.mark.parametrize(
    "entry", [KEYS["shop"], f"shop:{KEYS['shop']}", "shop:abc", "a b:" + "0" * 64], ids=range(4)
)
def test_an_entry_that_is_no_hash_is_refused_without_being_quoted(entry, tmp_path):
    with pytest.raises(ConfigError, match="hash-key") as raised:
        read_keys(entry, None)
    assert entry not in str(raised.value)
    (tmp_path / "empty").write_text("# none\n")
    with pytest.raises(ConfigError, match="holds no key"):
        read_keys("", tmp_path / "empty")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys("", tmp_path / "missing")


def test_the_command_makes_a_key_and_its_hash():
    made = CliRunner().invoke(cli, ["hash-key", "shop"])
    key = made.stderr.rpartition(": ")[2].strip()
    assert made.stdout.strip() == f"shop:{hash_key(key)}"
    assert find_key(read_keys(made.stdout.strip(), None), key) == "shop"
    again = CliRunner().invoke(cli, ["hash-key", "shop", "--stdin"], input=key + "\n")
    assert again.stdout == made.stdout
    with pytest.raises(ConfigError, match="at least 32"):
        hash_key("short")


def test_a_wrong_setting_is_named_but_not_quoted(monkeypatch):
    monkeypatch.setenv("GENREC_PORT", "secret-value")
    with pytest.raises(ConfigError, match="GENREC_PORT") as raised:
        read_settings()
    assert "secret-value" not in str(raised.value)
