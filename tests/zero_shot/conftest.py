"""A stock vLLM server of the scratch chat model, and users to ask about."""

from dataclasses import replace

import pytest

from genrec.data import Dataset
from genrec.schema import Request
from tests.vllm_server import Server
from tests.zero_shot.faulty_server import FaultyServer

SERVED = "toy-chat"


class StockServer(Server):
    """A running ``python -m vllm.entrypoints.openai.api_server``, as anybody starts it."""

    module = "vllm.entrypoints.openai.api_server"
    fixed = ("--served-model-name", SERVED, "--dtype", "float32", "--block-size", "32")
    ready_path = "/v1/models"


@pytest.fixture(scope="session")
def chat_server(vllm, chat_model, tmp_path_factory):
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
