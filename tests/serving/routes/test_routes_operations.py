"""How the gateway tells how it is, and that its document tells the truth."""

from genrec.serving.http.schemas import EXAMPLE_USER
from tests.serving.routes.calls import post


def test_answers_tell_how_long_they_took(client):
    answer = client.post("/v1/recommend", json={"events": [], "k": 1})
    engine_ms = float(answer.headers["server-timing"].partition("engine;dur=")[2])
    assert 0 < engine_ms <= answer.json()["took_ms"]
    assert (
        "engine;dur=" in client.post("/v1/interests", json={"events": []}).headers["server-timing"]
    )


def test_the_gateway_tells_how_it_is(client):
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json()["status"] == "ready"
    assert "<html" in client.get("/").text
    before = read_metrics(client)
    post(client, "/v1/recommend", events=[], k=3)
    post(client, "/v1/recommend", 422, events=[], k=0)
    after = read_metrics(client)
    route = 'method="POST",route="/v1/recommend"'
    for line, step in (
        (f'genrec_requests_total{{{route},status="200"}}', 1),
        (f'genrec_requests_total{{{route},status="422"}}', 1),
        ('genrec_batch_size_count{kind="items"}', 1),
        ('genrec_request_seconds_count{route="/v1/recommend"}', 2),
        ("genrec_recommended_items_total", 3),
        ("genrec_invalid_items_total", 0),
    ):
        assert after[line] - before.get(line, 0) == step
    assert 0 < after["genrec_coverage"] <= 1
    assert after["genrec_invalid_rate"] == 0 and after["genrec_queue_depth"] == 0
    assert after["process_resident_memory_bytes"] > 1e7


def read_metrics(client):
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_every_example_of_the_openapi_document_works(client):
    document = client.get("/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                name = media["schema"]["$ref"].rpartition("/")[2]
                example = document["components"]["schemas"][name]["example"]
                url = path.format(name="example", item_id="P001", user_id=EXAMPLE_USER)
                answer = client.request(method, url, json=example)
                assert answer.status_code == 200, (path, answer.text)
                tried += 1
            described = operation["responses"]
            assert "HTTPValidationError" not in str(described), path
    assert tried == 14
