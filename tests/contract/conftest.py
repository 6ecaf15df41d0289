"""Every ranker there is, fitted on the small toy world of the ``chain`` fixture.

A new ranker joins the contract by one line in ``RANKERS``: its name, and a function from the
prepared data to the ranker.
"""

from collections.abc import Callable

import pytest

from genrec.data import Dataset
from genrec.data.toy import Oracle
from genrec.evaluate import ItemKNN, Popularity, RepeatLast
from genrec.recommend import Recommender
from genrec.schema import Ranker

RANKERS: dict[str, Callable[[Dataset], Ranker]] = {
    "popularity": Popularity.fit,
    "repeat-last": RepeatLast.fit,
    "item-knn": ItemKNN.fit,
    "oracle": lambda data: Oracle(data.path.parent / "raw"),
    # As many beams as there are items: the search is exact, whatever k is.
    "genrec": lambda data: Recommender.load(data.path.parent / "sft", "cpu", len(data.items)),
}


@pytest.fixture(scope="session")
def contract_data(chain) -> Dataset:
    return Dataset.load(chain.data)


@pytest.fixture(scope="session", params=RANKERS)
def ranker(request, contract_data) -> Ranker:
    return RANKERS[request.param](contract_data)
