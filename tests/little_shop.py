"""A little shop with a trained model: few enough items that every list can be tried."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from genrec.engines.torch import TorchEngine
from genrec.model.base import SETTINGS_FILE
from genrec.model.load import load_run
from genrec.model.sasrec_head import Terms
from genrec.recommender import Recommender
from tests.little_run import make_little_base, train_little_run

BRANDS = ("Acme", "Birch", "Crane", "Dune")
THEMES = (("Kitchen", "Tea"), ("Kitchen", "Coffee"), ("Garden", "Pots"), ("Garden", "Tools"))


def shop_items(count: int = 18) -> list[dict]:
    """Items with a brand, categories, a price (not all), a stock and a list of tags."""
    return [
        {
            "item_id": f"i{n}",
            "title": f"{THEMES[n % 4][1]} thing {n}",
            "brand": BRANDS[(n * 7) % 4] if n % 9 else None,
            "categories": list(THEMES[n % 4]),
            **({} if n % 6 == 5 else {"price": 5 * (n % 7) + 0.5}),
            "stock": n % 3 > 0,
            "tags": [tag for tag, every in (("gift", 2), ("sale", 5)) if n % every == 0],
        }
        for n in range(count)
    ]


def _make_shop(folder):
    folder.mkdir()
    lines = [json.dumps(item) for item in shop_items()]
    (folder / "items.jsonl").write_text("\n".join(lines))
    events = [f"u{u},i{(u * 3 + n * n) % 18},{100 * n + u}" for u in range(12) for n in range(5)]
    (folder / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *events]))
    make_little_base(folder, folder / "events.csv", folder / "items.jsonl")
    train_little_run(folder)
    # So few events choose differently on another processor.
    choose(folder / "run", weight=0.0, terms=Terms(wish=8.0))


def choose(run: Path, weight: float, terms: Terms) -> None:
    """Say how much of a say a run's SASRec head has, in place of what its training chose."""
    described = json.loads((run / SETTINGS_FILE).read_text())
    described |= {"weight": weight, "terms": asdict(terms)}
    (run / SETTINGS_FILE).write_text(json.dumps(described))


@pytest.fixture(scope="session")
def shop_run(make_once):
    return make_once("rules_shop", _make_shop) / "run"


@pytest.fixture(scope="session")
def shop(shop_run) -> Recommender:
    """With as many beams as items its search is exact."""
    return Recommender.from_pretrained(shop_run, "cpu", num_beams=18)


@contextmanager
def run_with_a_say(shop_run: Path, name: str, terms: Terms) -> Iterator[Path]:
    """A copy of the run in which the head has a say."""
    run = shop_run.parent / name
    shutil.copytree(shop_run, run)
    choose(run, weight=0.5, terms=terms)
    yield run
    shutil.rmtree(run)


def shown(run: Path, shop: Recommender, **reads: bool) -> Recommender:
    """Return a recommender whose model is shown texts, though it was not trained on any."""
    loaded = load_run(run)
    loaded = replace(loaded, encoder=replace(loaded.encoder, **reads))
    return Recommender(loaded, TorchEngine(loaded, "cpu", 18), shop.data)
