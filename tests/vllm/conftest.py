"""Shared by the tests against a real server."""

import re

import httpx2
import openai
import pytest

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.engines.vllm.client import VllmEngine
from genrec.model.load import LoadedRun, load_run
from genrec.schema import History, Request

# What runs inside vLLM's own environment is started by test_inside.py.
collect_ignore = ["inside"]


@pytest.fixture(scope="session")
def run(chain) -> LoadedRun:
    return load_run(chain.sft)


@pytest.fixture(scope="session")
def prompts(chain, run) -> list[list[int]]:
    histories = [History("new", ())]
    for number, history in enumerate(Dataset.load(chain.data).histories("valid")):
        if number < 5:
            histories.append(History(history.user_id, history.events[: 2 + 4 * number]))
    return run.encoder.prompts([Request(history) for history in histories])


@pytest.fixture(scope="session")
def torch_engine(run) -> TorchEngine:
    return TorchEngine(run, num_beams=20)


@pytest.fixture
def engine(vllm_server, run, chain) -> VllmEngine:
    """A client with the run's adapter in use, under a name of its own in the server.

    The server names the run's own items, whatever table a test before this one put there.
    """
    engine = VllmEngine(vllm_server.url, run, num_beams=20)
    engine.replace_table(run.table)
    engine.load_adapter("run", chain.sft)
    engine.use_adapter("run")
    return engine


@pytest.fixture
def client(vllm_server, engine) -> openai.AsyncOpenAI:
    """A plain OpenAI client, of a server as ``engine`` leaves it.

    It keeps no connection: a test's event loop ends before anybody could close one.
    """
    http = openai.DefaultAsyncHttpxClient(limits=httpx2.Limits(max_keepalive_connections=0))
    url = f"{vllm_server.url}/v1"
    return openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http)


ITEM = re.compile(r"<([a-z])_(\d+)>")


def codes_in(text: str) -> list[int]:
    """The codes a text begins with; any other character among them is an error."""
    parts = ITEM.findall(text)
    assert "".join(f"<{letter}_{code}>" for letter, code in parts) == text, text
    assert [letter for letter, _ in parts] == [chr(97 + level) for level in range(len(parts))]
    return [int(code) for _, code in parts]
