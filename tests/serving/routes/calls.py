"""What the tests of the routes ask."""

import threading
import time
from contextlib import contextmanager

import pytest

NOW = int(time.time())


def post(client, path, status=200, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def click(client, user_id, item_id, **fields):
    return post(client, "/v1/events", events=[{"user_id": user_id, "item_id": item_id, **fields}])


def item_ids(answer):
    return [item["item_id"] for item in answer["items"]]


def check_same(answer, expected):
    """Check that two answers show the same; what was read anew or kept tells in the last digits."""
    items = [item | {"score": pytest.approx(item["score"], abs=1e-4)} for item in expected["items"]]
    assert answer["items"] == items


def wait_until(is_true, seconds=10):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def asking(client, body):
    """Ask for items all the time, and yield what statuses that was answered with so far."""
    stop, found = threading.Event(), []

    def keep_asking():
        while not stop.is_set():
            found.append(client.post("/v1/recommend", json=body).status_code)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
