"""A model in one folder, moved away from everything it was made from."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from genrec.recommender import Recommender
from genrec.schema import Event


@dataclass(frozen=True)
class Moved:
    """A moved model, and what it answered where it was made.

    Attributes:
        folder: Where it lies now.
        events: A history of one user.
        recommended: Items and scores for it.
        explained: Of the first of them.
        interests: Words for it.
    """

    folder: Path
    events: tuple[Event, ...]
    recommended: list[tuple[str, float]]
    explained: dict
    interests: str


@pytest.fixture(scope="session")
def moved(chain, tmp_path_factory) -> Moved:
    """Made in one place, moved to another, and the first place deleted."""
    made, elsewhere = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(chain.root, made / "chain")
    recommender = Recommender.from_pretrained(made / "chain" / "sft", "cpu", num_beams=300)
    events = next(recommender.data.histories("test")).events
    found = recommender.recommend(events=events, k=10)
    moved = Moved(
        elsewhere / "model",
        events,
        [(item.item_id, item.score) for item in found],
        recommender.explain(found[0].item_id, events=events).to_json(),
        recommender.interests(events=events).words,
    )
    recommender.save_pretrained(made / "model")
    shutil.move(made / "model", moved.folder)
    shutil.rmtree(made)
    return moved
