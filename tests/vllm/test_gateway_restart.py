"""A gateway in front of a real vLLM server that is killed under load and started again."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import httpx2
import pytest

from tests.free_port import free_port
from tests.vllm_server import ROOT

pytestmark = pytest.mark.slow
K = 5
AFTER_503_S = 0.5
"""Less than an answer asks for; without a pause, clients keep the server's start from the cores."""


@contextmanager
def start_gateway(chain, vllm_url, folder):
    """Start a gateway in front of a server that may be yet to come; its client."""
    port = free_port()
    environment = {
        **os.environ,
        "GENREC_RUN": str(chain.sft),
        "GENREC_VLLM": vllm_url,
        "GENREC_STORE": f"sqlite:///{folder}/{port}.db",
        "GENREC_PORT": str(port),
        "GENREC_NUM_BEAMS": "20",
        "GENREC_RATE_LIMIT_PER_S": "0",
        "GENREC_MAX_HISTORY_EVENTS": "1000000",
    }
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=90) as client:
            wait_for(client, "/health", 200)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def wait_for(client, path, status, limit_s=400):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            answer = client.get(path)
            if answer.status_code == status:
                return answer
        except httpx2.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(f"{path} did not answer {status} within {limit_s} s")


class Load:
    """Clients that ask and post until they are told to stop, and remember every answer."""

    def __init__(self, client, item_ids):
        self.client, self.item_ids = client, item_ids
        self.lock, self.done = threading.Lock(), threading.Event()
        self.statuses, self.wrong, self.acknowledged = Counter(), [], []
        self.answers = []
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(6)]

    def run(self, seed):
        choose, number = random.Random(seed), 0
        while not self.done.is_set():
            number += 1
            if number % 3 == 0:
                event_id = f"{seed}-{number}"
                event = {"user_id": "u", "item_id": choose.choice(self.item_ids)}
                body = {"events": [event | {"event_id": event_id}]}
                answer = self.client.post("/v1/events", json=body)
            else:
                answer = self.client.post("/v1/recommend", json={"events": [], "k": K})
            with self.lock:
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200 and number % 3 == 0:
                    self.acknowledged.append(event_id)
                elif answer.status_code == 200:
                    self.answers.append(scores_of(answer))
                elif answer.status_code != 503 or "retry-after" not in answer.headers:
                    self.wrong.append(answer.text)
            if answer.status_code == 503:
                self.done.wait(AFTER_503_S)

    def wait_for_more(self, status, count, limit_s=400):
        target, end = self.statuses[status] + count, time.monotonic() + limit_s
        while self.statuses[status] < target:
            assert time.monotonic() < end, self.statuses
            time.sleep(0.1)


def scores_of(answer):
    return [(item["item_id"], item["score"]) for item in answer.json()["items"]]


def test_vllm_is_killed_comes_back_and_for_some_comes_late(vllm_server, chain, tmp_path):
    with start_gateway(chain, vllm_server.url, tmp_path) as client:
        wait_for(client, "/ready", 200)
        new = {"item_id": "N1", "title": "Fernpaw Puppy Nail File"}
        placed = client.put("/v1/items", json={"items": [new]}).json()["items"][0]
        items = client.get("/v1/items", params={"limit": 50}).json()["items"]
        usual = scores_of(client.post("/v1/recommend", json={"events": [], "k": K}))
        load = Load(client, [item["item_id"] for item in items])
        for thread in load.threads:
            thread.start()
        load.wait_for_more(200, 30)
        vllm_server.kill()
        load.wait_for_more(503, 20)
        acknowledged = len(load.acknowledged)
        with start_gateway(chain, vllm_server.url, tmp_path) as late:
            assert late.get("/ready").status_code == 503
            assert len(load.acknowledged) > acknowledged, "events are taken while the model is away"
            vllm_server.start_again()
            wait_for(late, "/ready", 200)
            assert late.post("/v1/recommend", json={"events": [], "k": K}).status_code == 200
        load.wait_for_more(200, 60)
        load.done.set()
        for thread in load.threads:
            thread.join(120)

        assert not load.wrong and set(load.statuses) == {200, 503}
        for scores in load.answers:
            assert [item_id for item_id, _ in scores] == [item_id for item_id, _ in usual]
            assert all(abs(a[1] - b[1]) < 1e-3 for a, b in zip(scores, usual, strict=True))
        stored = client.get("/v1/users/u").json()["events"]
        assert set(load.acknowledged) <= {event["event_id"] for event in stored}
        candidates = client.post("/v1/recommend", json={"events": [], "candidates": ["N1"], "k": 1})
        assert candidates.json()["items"][0]["semantic_id"] == placed["semantic_id"]
