"""Stores, an application in this process, and real gateways in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine

from benchmarks.private_postgres import Postgres, find_postgres, private_postgres
from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from genrec.serving.store import connect, migrate
from tests.little_gateway import gateway_settings

ROOT = Path(__file__).parents[2]
START_S = 90


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL here; on Debian: apt-get install postgresql")
    with private_postgres() as server:
        yield server


STORES = ("sqlite", "postgres")


@pytest.fixture(scope="module")
def new_store(request, tmp_path_factory) -> Callable[[str], str]:
    """Return a function from the name of a database to the URL of a new, empty store."""

    def make(kind: str) -> str:
        if kind == "postgres":
            return request.getfixturevalue("postgres").new_database()
        return f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db"

    return make


@pytest.fixture(params=STORES)
def url(request, new_store) -> str:
    """A new, empty store of each kind."""
    return new_store(request.param)


@pytest.fixture
def engine(url) -> Iterator[Engine]:
    """A store of each kind, brought up to date."""
    engine = connect(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def shop_settings(shop_run, new_store) -> Settings:
    """Of a gateway on the little shop's run, with a new store."""
    return gateway_settings(shop_run, new_store("sqlite"))


@pytest.fixture(scope="module")
def new_client(chain, new_store) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts an application in this process."""
    started = []

    def make(kind: str = "sqlite", **settings) -> TestClient:
        defaults = {
            "run": chain.sft,
            "device": "cpu",
            "threads": 1,
            "rate_limit_per_s": 0,
            "store": SecretStr(settings.pop("url", None) or new_store(kind)),
        }
        client = TestClient(create_app(Settings(**(defaults | settings))))
        client.__enter__()
        started.append(client)
        return client

    yield make
    for client in started:
        client.__exit__(None, None, None)


class Server:
    """A gateway in a process of its own, on a port of its own."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.log_path = folder / "log.jsonl"
        environment = {f"GENREC_{name.upper()}": str(value) for name, value in settings.items()}
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "genrec.serving"],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                stdout=log,
                stderr=log,
            )
        self.url = self._wait_for_url()
        self.client = httpx2.Client(base_url=self.url, timeout=60)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def kill(self) -> None:
        """Leave it no moment to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.client.close()

    def stop(self) -> int:
        self.process.terminate()
        self.client.close()
        return self.process.wait(30)

    def _wait_for_url(self) -> str:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            for line in self.log.splitlines():
                if '"listening"' in line:
                    return line.partition('"url": "')[2].partition('"')[0].rstrip("/")
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        raise AssertionError(f"the gateway did not start:\n{self.log}")


@pytest.fixture(scope="module")
def new_server(chain, tmp_path_factory) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a gateway as a user does."""
    started = []

    def make(url: str, **settings: object) -> Server:
        defaults = {"run": chain.sft, "device": "cpu", "port": 0, "rate_limit_per_s": 0}
        server = Server(tmp_path_factory.mktemp("server"), **(defaults | settings), store=url)
        started.append(server)
        return server

    yield make
    for server in started:
        if server.process.poll() is None:
            server.kill()
