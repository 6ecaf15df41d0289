"""Stores, an application in this process, and real gateways in processes of their own."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from genrec.serving.store import connect, migrate
from tests.little_gateway import gateway_settings

ROOT = Path(__file__).parents[2]
START_S = 90


class Postgres:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._binaries = find_postgres()
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        folder.chmod(0o755)
        self._data = folder / "data"
        self._data.mkdir()
        if self._user:
            shutil.chown(self._data, self._user)
        self._run("initdb", "-D", self._data, "-U", "genrec", "-A", "trust", "-E", "UTF8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._numbers = itertools.count()
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -k '' -h 127.0.0.1 -c fsync=off"
        self._run(
            "pg_ctl", "-D", self._data, "-o", options, "-l", self._data / "log", "-w", "start"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"store{next(self._numbers)}"
        url = f"postgresql://genrec@127.0.0.1:{self.port}"
        with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{url}/{name}"

    def _run(self, name: str, *arguments: object) -> None:
        command = [str(self._binaries / name), *map(str, arguments)]
        log = self._data.parent / f"{name}.log"
        with log.open("w") as output:
            done = subprocess.run(
                command, user=self._user, cwd="/", stdout=output, stderr=output, timeout=120
            )
        assert done.returncode == 0, log.read_text()


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL here; on Debian: apt-get install postgresql")
    # Not below pytest's own folder, which only its owner may enter.
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


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
