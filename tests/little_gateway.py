"""A gateway on the little shop, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from genrec.training.continual import Start, write_update


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


def write_contrary_update(run: Path, path: str, seed: int = 1) -> str:
    """Write an adapter of the shop's run, beside it, whose head wants what the run's does not."""
    start = Start(run)
    head = start.head().grown(start.head().table)
    head.head.weight = 0.99
    with torch.no_grad():
        head.head.item_embedding.weight.normal_(std=3.0, generator=torch.manual_seed(seed))
    write_update(run.parent / path, start, head, {})
    return path
