"""What an update learns and what it is judged by never meet, and nobody who is new judges."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from genrec.data import Dataset
from genrec.data.config import PrepareConfig
from genrec.data.prepare import prepare
from genrec.errors import DataError
from genrec.schema import Event
from genrec.serving.export import prepare_from_store, settings_of
from genrec.serving.store import EventStore, StoredEvent, connect, migrate
from genrec.updates.config import UpdateConfig
from genrec.updates.slices import cut, last_time

DAY_S = 86_400


def write(path, rows):
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Forty users with six events each; half of them go on, and so do ten who are new."""
    folder = tmp_path_factory.mktemp("slices")
    rng = np.random.default_rng(0)
    rows = [f"u{u},i{rng.integers(9)},{u + 1000 * n}" for u in range(40) for n in range(6)]
    prepare(write(folder / "events.csv", rows), None, folder / "base")
    base = Dataset.load(folder / "base")
    engine = connect(f"sqlite:///{folder}/store.db")
    migrate(engine)
    new = [
        Event(f"{name}{u}", f"i{rng.integers(9)}", DAY_S + 100 * n + u)
        for name, users in (("u", range(20)), ("new", range(10)))
        for u in users
        for n in range(5)
    ]
    EventStore(engine).add([StoredEvent(event) for event in [*new, Event("u39", "i1", 1500)]])
    EventStore(engine).forget("u38")
    prepare_from_store(engine, base, folder / "joined", PrepareConfig(**settings_of(base)))
    return base, Dataset.load(folder / "joined"), folder


def rows(data, *splits):
    found = pq.read_table(data.path / "events.parquet").to_pylist()
    return {
        (row["user_id"], row["timestamp"], row["item_id"])
        for row in found
        if row["split"] in splits
    }


@pytest.mark.parametrize("replay", [0.0, 0.5, 9.0])
def test_nothing_is_learned_that_judges(world, tmp_path, replay):
    base, joined, _ = world
    known = last_time(base)
    config = UpdateConfig(replay=replay, users=15)
    slices = cut(base, joined, known, tmp_path, config)
    learned = rows(slices.train, "train", "valid") | rows(slices.past, "train")
    newest, older = rows(slices.newest, "test"), rows(slices.older, "test")
    chosen_by = rows(slices.older, "valid")
    assert newest and older and not learned & newest and not learned & older
    assert chosen_by and not learned & chosen_by and not older & chosen_by
    # What judges is news to who serves: it came later, or was held out of its own training.
    assert min(time for _, time, _ in newest) > known
    assert older <= rows(base, "test") and chosen_by <= rows(base, "valid")
    assert len(older) == len(chosen_by) == 15
    # Nothing of the future is in a history or learned.
    assert max(time for _, time, _ in learned) < min(time for _, time, _ in newest)
    everything = rows(joined, "train", "valid", "test")
    judged_from = min(time for _, time, _ in newest)
    assert rows(slices.newest, "train") == {row for row in everything if row[1] < judged_from}
    assert rows(slices.past, "train") == {
        row
        for row in everything - older - chosen_by
        if row[1] < min(t for _, t, _ in rows(slices.train, "valid"))
    }


def test_strangers_and_the_forgotten_do_not_judge(world, tmp_path):
    base, joined, _ = world
    slices = cut(base, joined, last_time(base), tmp_path, UpdateConfig())
    assert not any(user.startswith("new") for user, _, _ in rows(slices.newest, "test"))
    assert any(user.startswith("new") for user, _, _ in rows(slices.train, "train"))
    for data in (slices.train, slices.past, slices.newest, slices.older):
        assert "u38" not in {user for user, _, _ in rows(data, "train", "valid", "test")}
    assert slices.until == last_time(joined)


def test_replay_adds_users_without_new_events(world, tmp_path):
    base, joined, _ = world
    sizes = []
    for replay in (0.0, 0.5, 9.0):
        config = UpdateConfig(replay=replay)
        slices = cut(base, joined, last_time(base), tmp_path / str(replay), config)
        sizes.append(len({user for user, _, _ in rows(slices.train, "train")}))
    # One is always replayed; nineteen have no new events and were not forgotten.
    assert sizes == [31, 45, 49]


def test_a_run_without_held_out_events_is_refused(world, tmp_path):
    _, joined, folder = world
    none = PrepareConfig(test_users=0, valid_users=0)
    prepare(folder / "events.csv", None, tmp_path / "base", none)
    with pytest.raises(DataError, match="holds no event out"):
        cut(Dataset.load(tmp_path / "base"), joined, 0, tmp_path, UpdateConfig())


def test_what_came_late_is_learned_but_judges_nothing(world, tmp_path):
    base, joined, _ = world
    slices = cut(base, joined, last_time(joined), tmp_path, UpdateConfig())
    assert slices.newest is None
    assert ("u39", 1500, "i1") in rows(slices.past, "train")
