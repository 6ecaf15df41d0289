"""A gateway in front of a real vLLM server that is killed under load and started again."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import httpx2
import pytest

from tests.vllm_server import ENVIRONMENT, ROOT, VLLM_PYTHON, Server

pytestmark = pytest.mark.slow
K = 5
AWAY_S = 5


def start_vllm(base, folder, port):
    """Start a server in a process group of its own, so that all of it can be killed at once."""
    log = folder / f"vllm-{time.monotonic_ns()}.log"
    command = [
        *(VLLM_PYTHON, "-m", "genrec.engines.vllm", "--model", base, "--dtype", "float32"),
        *("--host", "127.0.0.1", "--port", port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=output,
            env=ENVIRONMENT,
            cwd=folder,
            start_new_session=True,
        )
    return Server(f"http://127.0.0.1:{port}", process, log)


def kill_all_of(server):
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def free_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def gateway(vllm, chain, tmp_path):
    """A gateway whose vLLM server is yet to come: its client and that server's port."""
    vllm_port, port = free_port(), free_port()
    environment = {
        **os.environ,
        "GENREC_RUN": str(chain.sft),
        "GENREC_VLLM": f"http://127.0.0.1:{vllm_port}",
        "GENREC_STORE": f"sqlite:///{tmp_path}/store.db",
        "GENREC_PORT": str(port),
        "GENREC_NUM_BEAMS": "20",
        "GENREC_RATE_LIMIT_PER_S": "0",
        "GENREC_MAX_HISTORY_EVENTS": "1000000",
    }
    with (tmp_path / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=90)
    wait_for(client, "/health", 200)
    yield client, vllm_port
    client.close()
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

    def wait_for_more(self, status, count, limit_s=400):
        target, end = self.statuses[status] + count, time.monotonic() + limit_s
        while self.statuses[status] < target:
            assert time.monotonic() < end, self.statuses
            time.sleep(0.1)


def scores_of(answer):
    return [(item["item_id"], item["score"]) for item in answer.json()["items"]]


def test_vllm_comes_late_is_killed_and_comes_back(gateway, chain, tmp_path):
    client, port = gateway
    assert client.get("/ready").status_code == 503
    vllm = start_vllm(chain.pretrain, tmp_path, port)
    try:
        vllm.wait_until_ready()
        wait_for(client, "/ready", 200)
        new = {"item_id": "N1", "title": "Fernpaw Puppy Nail File"}
        placed = client.put("/v1/items", json={"items": [new]}).json()["items"][0]
        items = client.get("/v1/items", params={"limit": 50}).json()["items"]
        usual = scores_of(client.post("/v1/recommend", json={"events": [], "k": K}))
        load = Load(client, [item["item_id"] for item in items])
        for thread in load.threads:
            thread.start()
        load.wait_for_more(200, 30)
        kill_all_of(vllm)
        load.wait_for_more(503, 20)
        acknowledged = len(load.acknowledged)
        time.sleep(AWAY_S)
        assert len(load.acknowledged) > acknowledged, "events are taken while the model is away"
        vllm = start_vllm(chain.pretrain, tmp_path, port)
        vllm.wait_until_ready()
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
    finally:
        kill_all_of(vllm)
