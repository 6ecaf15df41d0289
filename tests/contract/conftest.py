"""Every ranker there is, fitted on the small toy world of the ``chain`` fixture.

A new ranker joins the contract by one line in ``RANKERS``: its name, and a function from the
prepared data to the ranker.
"""

from collections.abc import Callable

import pytest

from genrec.baselines import ItemKNN, Markov, Popularity, RepeatLast
from genrec.baselines.sasrec import SasRec, SasRecConfig
from genrec.baselines.text_similarity import TextSimilarity
from genrec.baselines.tiger import Tiger
from genrec.baselines.tiger_config import TigerConfig
from genrec.data import Dataset
from genrec.recommender import Recommender
from genrec.schema import Ranker
from genrec.semantic_ids.table import SemanticIdTable
from tests.toy_oracle import Oracle


def fit_tiger(data: Dataset) -> Tiger:
    """A tiny one; with as many beams as there are items its search is exact, whatever k is."""
    sizes = {"width": 16, "num_heads": 2, "head_width": 8, "inner_width": 32, "num_layers": 1}
    config = TigerConfig(**sizes, epochs=1, validation_users=0, num_beams=len(data.items))
    return Tiger.fit(data, table_of(data), config=config)


def table_of(data: Dataset) -> SemanticIdTable:
    return SemanticIdTable.load(data.path.parent / "index")


RANKERS: dict[str, Callable[[Dataset], Ranker]] = {
    "popularity": Popularity.fit,
    "repeat-last": RepeatLast.fit,
    "item-knn": ItemKNN.fit,
    "markov": Markov.fit,
    "text-similarity": lambda data: TextSimilarity.fit(data, table_of(data)),
    "tiger": fit_tiger,
    "sasrec": lambda data: SasRec.fit(data, config=SasRecConfig(epochs=1, validation_users=0)),
    "oracle": lambda data: Oracle(data.path.parent / "raw"),
    # As many beams as there are items: the search is exact, whatever k is.
    "genrec": lambda data: Recommender.from_pretrained(
        data.path.parent / "sft", "cpu", len(data.items)
    ),
}


@pytest.fixture(scope="session")
def contract_data(chain) -> Dataset:
    return Dataset.load(chain.data)


@pytest.fixture(scope="session", params=[*RANKERS, "zero-shot"])
def ranker(request, contract_data) -> Ranker:
    if request.param == "zero-shot":
        model = request.getfixturevalue("chat_model")
        index = contract_data.path.parent / "index"
        return Recommender.zero_shot(str(model), contract_data.path, index=index, device="cpu")
    return RANKERS[request.param](contract_data)
