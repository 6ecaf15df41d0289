"""A gateway on each store, and the library it is held against."""

import pytest

from genrec.recommender import Recommender
from tests.serving.conftest import STORES


@pytest.fixture(scope="module")
def library(chain):
    return Recommender.from_pretrained(chain.sft, "cpu")


@pytest.fixture(scope="module", params=STORES)
def client(request, new_client):
    # Live counts would follow, after a second or two, what the library does not hear of.
    return new_client(request.param, live_counts_s=0)


@pytest.fixture(scope="module")
def users(library):
    """Users of the prepared data; a test that changes one takes it from the end."""
    return [history.user_id for history in library.data.histories("test")]
