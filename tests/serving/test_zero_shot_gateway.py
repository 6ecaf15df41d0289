"""The gateway over a stock chat model: the same routes, and 503 where no answer comes."""

import pytest

from genrec.errors import ConfigError
from genrec.serving.loading import load_recommender
from genrec.serving.settings import Settings
from tests.zero_shot.faulty_server import FaultyServer

SETTINGS = "num_candidates: 6\nattempts: 1\ntimeout_s: 2\ndeadline_s: 3\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "zero_shot.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def client(new_client, chain, chat_model, config):
    return new_client(
        zero_shot=str(chat_model), zero_shot_data=chain.data, zero_shot_index=chain.index,
        zero_shot_config=config,
    )  # fmt: skip


def test_recommendations_with_reasons(client):
    body = {"user_id": "uma-054", "k": 9, "explain": True}
    items = client.post("/v1/recommend", json=body).json()["items"]
    assert len({item["item_id"] for item in items}) == 9
    assert all(len(item["semantic_id"]) == 3 for item in items)
    events = [{"item_id": "P001", "event_type": "view"}]
    body = {"events": events, "k": 3, "candidates": ["P002", "P003", "P004"]}
    found = client.post("/v1/recommend", json=body).json()["items"]
    assert {item["item_id"] for item in found} == {"P002", "P003", "P004"}
    few = client.post("/v1/recommend", json={"events": [], "k": 3, "candidates": ["P002"]})
    assert few.status_code == 422 and few.json()["error"]["code"] == "too_few_items"


def test_new_items_adapters_and_readiness(client):
    item = {"item_id": "N9", "title": "Brightmoor Glass Kettle", "brand": "Brightmoor"}
    assert client.put("/v1/items", json={"items": [item]}).json()["items"][0]["new"]
    found = client.post("/v1/recommend", json={"events": [], "k": 1, "candidates": ["N9"]})
    assert found.json()["items"][0]["item_id"] == "N9"
    assert client.get("/ready").status_code == 200
    assert client.get("/v1/adapters").json() == {"adapters": [], "adapter": None}
    assert client.put("/v1/adapters/a", json={"path": "x"}).status_code == 422


def test_what_a_chat_model_cannot_say_is_refused(client):
    first = client.get("/v1/items/P001").json()["semantic_id"][:1]
    for path, body in (
        ("/v1/explain", {"events": [], "item_id": "P001"}),
        (
            "/v1/recommend",
            {"events": [], "k": 2, "interest_bias": [{"prefix": first, "strength": 1}]},
        ),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "config"
        assert "give a run" in answer.json()["error"]["message"]


def test_an_endpoint_that_fails_is_a_503(new_client, chain, config):
    server = FaultyServer(0, 0)
    client = new_client(
        zero_shot=server.url, zero_shot_data=chain.data, zero_shot_index=chain.index,
        zero_shot_config=config,
    )  # fmt: skip
    asked = {"user_id": "uma-054", "k": 4}
    assert len(client.post("/v1/recommend", json=asked).json()["items"]) == 4
    server.hopeless_share = 1.0
    failed = client.post("/v1/recommend", json=asked)
    assert failed.status_code == 503 and "Retry-After" in failed.headers
    # Readiness costs nothing, and the server is there.
    assert client.get("/ready").status_code == 200
    server.is_gone = True
    assert client.get("/ready").status_code == 503
    server.stop()


def test_settings_that_do_not_fit_are_named(chain, chat_model, tmp_path):
    with pytest.raises(ConfigError, match="GENREC_ZERO_SHOT_DATA"):
        load_recommender(Settings(zero_shot=str(chat_model)))
    (tmp_path / "open.yaml").write_text("method: open")
    with pytest.raises(ConfigError, match="promises k"):
        load_recommender(
            Settings(
                zero_shot=str(chat_model),
                zero_shot_data=chain.data,
                zero_shot_config=tmp_path / "open.yaml",
            )
        )
