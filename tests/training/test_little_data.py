"""Logs with too little of something train all the same, or say what is missing."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genrec.cli import app
from genrec.errors import ConfigError, GenrecError, TrainingError
from genrec.recommender import Recommender
from genrec.schema import Event
from tests.little_run import make_little_base, train_little_run

DAY = 86_400
START = 1_500_000_000


def users(*histories: str, start: int = START) -> list[tuple[str, str, int]]:
    """Return rows of users whose events are the letters of a word, a day apart."""
    return [
        (f"{start}-{user}", item_id, start + 17 * user + DAY * day)
        for user, history in enumerate(histories)
        for day, item_id in enumerate(history)
    ]


def make_base_of(folder: Path, rows: list[tuple[str, str, int]], **settings) -> None:
    with (folder / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *rows])
    make_little_base(folder, folder / "events.csv", **settings)


NO_VALIDATION = "has no validation events"
LITTLE = {
    "one event": (users("a"), {}, NO_VALIDATION),
    "one user of two events": (users("ab"), {}, NO_VALIDATION),
    "one user of three events": (users("abc"), {}, ""),
    "one item": (users("a", "a", "a"), {}, NO_VALIDATION),
    "one item, again and again": (users("aaaa", "aaa"), {}, ""),
    "short histories alone": (users("ab", "bc", "ca", "a", "b"), {}, NO_VALIDATION),
    "nobody to validate on": (users("abcde", "bcdea"), {"valid_users": 0}, NO_VALIDATION),
    "nobody to test on": (users("abcde", "bcdea"), {"test_users": 0}, ""),
    "new users alone to validate on": (
        users(*["abc"] * 8) + users(*"abca", start=2 * START),
        {"split": "global-time", "valid_share": 0.15, "test_share": 0.05},
        "",
    ),
}


@pytest.mark.parametrize("name", LITTLE)
def test_too_little_trains_and_says_what_is_missing(tmp_path, capsys, name):
    rows, settings, said = LITTLE[name]
    make_base_of(tmp_path, rows, **settings)
    train_little_run(tmp_path)
    told = capsys.readouterr().err
    assert (NO_VALIDATION in told) == bool(said)
    recommender = Recommender.from_pretrained(tmp_path / "run")
    (found,) = recommender.recommend(
        events=[Event(user_id="", item_id="a", timestamp=START)], k=1, filter_seen=False
    )
    assert found.item_id in {item_id for _, item_id, _ in rows}


def test_nothing_to_train_on_is_said(tmp_path):
    make_base_of(tmp_path, users("abc", "bca"))
    with pytest.raises(ConfigError, match="no events to train on"):
        train_little_run(tmp_path, mixture={"next_item": 0, "titles": 0, "interests": 0})


@pytest.mark.parametrize("settings", [{}, {"validation": {"users": 0}}])
def test_a_loss_that_is_not_finite_stops_the_training(tmp_path, settings):
    make_base_of(tmp_path, users(*["abcdef", "bcdefa", "cdefab"] * 3))
    with pytest.raises(TrainingError, match=r"at step \d+ is (nan|inf)"):
        train_little_run(tmp_path, epochs=30, optimizer={"learning_rate": 1e30}, **settings)
    assert not (tmp_path / "run").exists()


def test_a_head_whose_loss_is_not_finite_stops_the_training(tmp_path):
    make_base_of(tmp_path, users(*["abcdef", "bcdefa", "cdefab"] * 3))
    with pytest.raises(TrainingError, match=r"loss of the SASRec head at step \d+"):
        train_little_run(tmp_path, sasrec={"epochs": 30, "learning_rate": 1e30})
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_only_on_what_it_was_made_from(tmp_path):
    make_base_of(tmp_path, users("abcdef", "bcdefa"))
    with pytest.raises(TrainingError):
        train_little_run(tmp_path, optimizer={"learning_rate": 1e30}, epochs=30)
    make_base_of(tmp_path, users("abcdef", "bcdefa", "cdefab"))
    with pytest.raises(ConfigError, match=r"changed since \(.*data [0-9a-f]+ is now [0-9a-f]+"):
        train_little_run(tmp_path, optimizer={"learning_rate": 1e30}, epochs=30)


def test_every_command_answers_a_run_of_one_event_or_says_what_is_missing(tmp_path):
    make_base_of(tmp_path, users("a"))
    train_little_run(tmp_path)
    run, data, index = (str(tmp_path / name) for name in ("run", "data", "index"))
    user = f"{START}-0"
    for words in (
        ("recommend", "--run", run, "--user", user),
        ("recommend", "--run", run, "--user", user, "-k", "1", "--no-filter-seen"),
        ("interests", "--run", run, "--user", user, "--plot", str(tmp_path / "plot.png")),
        ("explain", "--run", run, "--user", user, "--item", "a"),
        ("prompt", "--run", run, "--user", user),
        ("evaluate", "--run", run),
        ("demo", "--run", run),
        *(
            ("baseline", name, "--data", data, "--index", index)
            for name in ("text-similarity", "sasrec", "tiger")
        ),
        ("graph", "--data", data, "--index", index, "--user", user, "--to", "a"),
    ):
        error = CliRunner().invoke(app, words).exception
        assert error is None or isinstance(error, GenrecError), (words, error)
