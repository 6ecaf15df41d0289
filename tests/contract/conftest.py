"""Every ranker there is, fitted on one small toy world.

A new ranker joins the contract by one line in ``RANKERS``: its name, and a function from the
prepared data to the ranker.
"""

from collections.abc import Callable

import pytest

from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.data.toy import Oracle, ToyConfig, write_toy
from genrec.evaluate import ItemKNN, Popularity, RepeatLast
from genrec.schema import Ranker

RANKERS: dict[str, Callable[[Dataset], Ranker]] = {
    "popularity": Popularity.fit,
    "repeat-last": RepeatLast.fit,
    "item-knn": ItemKNN.fit,
    "oracle": lambda data: Oracle(data.path.parent / "raw"),
}


@pytest.fixture(scope="session")
def contract_data(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("contract")
    write_toy(root / "raw", ToyConfig(num_users=60, num_themes=6))
    prepare(root / "raw" / "events.csv.gz", root / "raw" / "items.jsonl.gz", root / "data")
    return Dataset.load(root / "data")


@pytest.fixture(scope="session", params=RANKERS)
def ranker(request, contract_data) -> Ranker:
    return RANKERS[request.param](contract_data)
