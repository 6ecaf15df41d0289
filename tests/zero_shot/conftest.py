"""A stock vLLM server of the scratch chat model, and users to ask about."""

import socket
import subprocess
import time
from dataclasses import replace

import httpx
import pytest

from genrec.data import Dataset
from genrec.schema import Request
from tests.vllm_server import ENVIRONMENT, START_LIMIT_S, VLLM_PYTHON, Server, need_vllm
from tests.zero_shot.faulty_server import FaultyServer

SERVED = "toy-chat"


class StockServer(Server):
    """A running ``python -m vllm.entrypoints.openai.api_server``, as anybody starts it."""

    @classmethod
    def start(cls, base, log, *arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            *(str(VLLM_PYTHON), "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(base), "--served-model-name", SERVED, "--dtype", "float32"),
            *("--host", "127.0.0.1", "--port", str(port), "--block-size", "32", *arguments),
        ]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=ENVIRONMENT, cwd=log.parent
            )
        server = cls(f"http://127.0.0.1:{port}", process, log)
        server.wait_until_ready()
        return server

    def wait_until_ready(self):
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/v1/models", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        words = self.log.read_text(errors="replace")[-4000:]
        self.stop()
        pytest.fail(f"the vLLM server did not start:\n{words}")


@pytest.fixture(scope="session")
def chat_server(chat_model, tmp_path_factory):
    need_vllm()
    log = tmp_path_factory.mktemp("chat") / "server.log"
    server = StockServer.start(chat_model, log, "--enforce-eager")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def data(chain) -> Dataset:
    return Dataset.load(chain.data)


@pytest.fixture(scope="session")
def requests(data) -> list[Request]:
    """One of every user, at the time of the held-out event."""
    return [
        Request(one.history, one.targets[0].timestamp, one.targets[0].event_type)
        for one in data.examples("test")
    ]


@pytest.fixture
def faulty():
    server = FaultyServer()
    yield server
    server.stop()


def varied(requests, count):
    """Return so many different requests: the same users, other filters."""
    rounds = -(-count // len(requests))
    items = sorted({event.item_id for one in requests for event in one.history.events})
    return [
        replace(request, exclude=frozenset(items[number :: 2 * rounds]))
        for number in range(rounds)
        for request in requests
    ][:count]
