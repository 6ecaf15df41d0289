"""A gateway on the little shop, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings


def gateway_settings(run: Path, store: str, **settings: Any) -> Settings:
    """Return settings under which tests neither wait for threads nor for a rate."""
    settings |= {"device": "cpu", "threads": 1, "rate_limit_per_s": 0, "store": SecretStr(store)}
    return Settings(run=run, **settings)


@contextmanager
def start_gateway(run: Path, folder: Path, **settings: Any) -> Iterator[TestClient]:
    """Serve a run, with a store of its own in a folder."""
    chosen = gateway_settings(run, f"sqlite:///{folder}/store.db", **settings)
    with TestClient(create_app(chosen)) as client:
        yield client
