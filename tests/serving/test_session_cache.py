"""The gateway keeps what it read of users, and lets go of who is forgotten."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings


@pytest.mark.parametrize("megabytes", [4, 0])
def test_a_user_who_returns_is_known_until_forgotten(shop_run, tmp_path, megabytes):
    settings = Settings(
        run=shop_run,
        device="cpu",
        store=SecretStr(f"sqlite:///{tmp_path}/store.db"),
        rate_limit_per_s=0,
        session_cache_mb=megabytes,
    )
    with TestClient(create_app(settings)) as client:

        def post(path, **body):
            assert client.post(path, json=body).status_code == 200

        def measured(name):
            lines = client.get("/metrics").text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

        events = [
            {"user_id": "eva", "item_id": f"i{n}", "timestamp": 1_700_000_000 + n} for n in range(9)
        ]
        post("/v1/events", events=events)
        for item in ("i1", "i2"):
            post("/v1/recommend", user_id="eva", k=3)
            post("/v1/events", events=[{"user_id": "eva", "item_id": item}])
        kept = megabytes > 0
        assert (measured("genrec_session_cache_bytes") > 0) == kept
        assert (measured("genrec_session_hit_rate") > 0) == kept
        assert client.delete("/v1/users/eva").status_code == 204
        assert measured("genrec_session_cache_bytes") == 0
