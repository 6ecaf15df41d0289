"""Two workers on one port: they answer as one, are replaced without a failed request, and end."""

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from genrec.serving.settings import Settings
from genrec.serving.workers import share_of_a_worker
from tests.serving.conftest import Server

pytestmark = pytest.mark.slow
CONNECTIONS = 6
"""Each goes to one of two workers: all to the same once in 32."""
PATIENCE_S = 400


class Gateway(Server):
    """A gateway of two workers."""

    def workers(self) -> set[int]:
        """Return the processes that answer, or are about to."""
        found = set()
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):
                    found.add(child.pid)
        return found

    def everywhere(self, method: str, path: str, **body) -> list[httpx2.Response]:
        """Ask the same on new connections."""
        answers = []
        for _ in range(CONNECTIONS):
            with httpx2.Client(base_url=self.url, timeout=60) as client:
                answers.append(client.request(method, path, json=body or None))
        return answers


@pytest.fixture(scope="module")
def gateway(shop_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    store = f"sqlite:///{folder}/store.db"
    gateway = Gateway(
        folder, run=shop_run, device="cpu", port=0, rate_limit_per_s=0, workers=2, store=store
    )
    yield gateway
    if gateway.process.poll() is None:
        gateway.stop()


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_one_is_told_all_answer_by(gateway):
    def say(method, path, **body):
        answer = gateway.client.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer

    (new,) = say("PUT", "/v1/items", items=[{"item_id": "N1", "title": "Tea"}]).json()["items"]
    found = gateway.everywhere("POST", "/v1/recommend", events=[], candidates=["N1"], k=1)
    assert [one.json()["items"][0]["semantic_id"] for one in found] == [new["semantic_id"]] * len(
        found
    )
    say("POST", "/v1/events", events=[{"user_id": "eva", "item_id": "N1"}] * 2)
    asked = {"user_id": "eva", "k": 4, "shown": False}
    answers = [one.json() for one in gateway.everywhere("POST", "/v1/recommend", **asked)]
    assert {answer["num_events"] for answer in answers} == {2}
    assert len({tuple(item["item_id"] for item in answer["items"]) for answer in answers}) == 1
    # Of every worker the very next answer to a known user heeds rules, wishes and retired items.
    never = answers[0]["items"][0]["item_id"]
    say("PUT", "/v1/users/eva/preferences", preferences=[{"never": {"item_id": never}}])
    retired = answers[0]["items"][1]["item_id"]
    say("DELETE", f"/v1/items/{retired}")
    banned = answers[0]["items"][2]["item_id"]
    say("PUT", "/v1/rules/no", rule={"ban": {"item_id": banned}}, always=True)
    for one in gateway.everywhere("POST", "/v1/recommend", **asked):
        assert not {never, retired, banned} & {item["item_id"] for item in one.json()["items"]}
    say("DELETE", "/v1/rules/no")
    say("PATCH", f"/v1/items/{retired}", retired=False)
    say("DELETE", "/v1/users/eva")
    assert {one.status_code for one in gateway.everywhere("GET", "/v1/users/eva")} == {404}


def test_adapters_are_changed_for_all_or_not_at_all(gateway):
    refused = gateway.client.post("/v1/adapters/use", json={"name": None})
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "several_workers"
    assert gateway.client.get("/v1/adapters").status_code == 200


def test_metrics_are_those_of_all_workers(gateway):
    def counted():
        seen = {}
        for line in gateway.client.get("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            seen[name] = value
        return seen

    asked = 'genrec_requests_total{method="GET",route="/v1/rules",status="200"}'
    before = float(counted().get(asked, 0))
    gateway.everywhere("GET", "/v1/rules")
    after = counted()
    assert float(after[asked]) == before + CONNECTIONS
    assert float(after["genrec_queue_depth"]) == 0
    shares = {name for name in after if name.startswith("genrec_coverage{")}
    assert shares == {f'genrec_coverage{{pid="{pid}"}}' for pid in gateway.workers()}


def test_a_connection_that_is_kept_goes_to_another_worker_now_and_then(gateway):
    """Each of 32 answers ends one by chance: none of 400 does once in 300,000."""
    answers = [gateway.client.get("/health") for _ in range(400)]
    assert {answer.status_code for answer in answers} == {200}
    ended = [answer for answer in answers if answer.headers.get("connection") == "close"]
    assert 0 < len(ended) < 100


def test_workers_are_replaced_under_load_without_a_failed_request(gateway):
    old = gateway.workers()
    assert len(old) == 2
    done, faults, answered = threading.Event(), [], []

    def ask():
        with httpx2.Client(base_url=gateway.url, timeout=60) as client:
            while not done.wait(0.05):  # idle in between: such a connection may be closed
                try:
                    answer = client.post("/v1/recommend", json={"user_id": "u1", "k": 2})
                except httpx2.HTTPError as error:
                    faults.append(repr(error))
                else:
                    (answered if answer.status_code == 200 else faults).append(answer.status_code)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(gateway.workers()) == 2 and not gateway.workers() & old)
    served = len(answered)
    wait_for(lambda: len(answered) > served + 20)
    done.set()
    for thread in asking:
        thread.join(60)
    assert not faults and served


def test_a_worker_that_dies_comes_back(gateway):
    old = gateway.workers()
    psutil.Process(min(old)).kill()
    wait_for(lambda: len(gateway.workers() - {min(old)}) == 2)
    assert all(one.is_success for one in gateway.everywhere("POST", "/v1/recommend", events=[]))


def test_all_end_when_told(gateway):
    workers = gateway.workers()
    assert gateway.stop() == 0
    assert not any(map(psutil.pid_exists, workers))


def test_a_run_that_is_missing_is_told_once(tmp_path):
    with pytest.raises(AssertionError) as failed:
        store = f"sqlite:///{tmp_path}/s.db"
        Gateway(tmp_path, run=tmp_path / "no", store=store, port=0, workers=2)
    assert "error: a worker could not start" in str(failed.value)
    assert "does not exist" in str(failed.value) and "Traceback" not in str(failed.value)


def test_workers_divide_what_a_machine_has_once():
    share = share_of_a_worker(Settings(run=Path("r"), workers=4, session_cache_mb=100))
    assert share.session_cache_mb == 25 and share.threads >= 1
    assert share_of_a_worker(Settings(run=Path("r"), workers=4, threads=3)).threads == 3
