"""What "what language buys" trains on and asks: samples, new items, and without reviews."""

import json

from benchmarks.language.__main__ import keep_items, leave_strangers, sample_users
from benchmarks.language.columns import COLUMNS, WithoutReviews, ask, make_new
from genrec.data import Dataset
from genrec.engines.load import load_engine
from genrec.evaluate.saved import load_evaluation
from genrec.recommender import Recommender
from genrec.schema import Request


def test_items_that_training_never_met_are_asked_for(chain, tmp_path):
    (tmp_path / "data").symlink_to(chain.data)
    make_new(tmp_path, chain.raw / "items.jsonl.gz", ())
    left = Dataset.load(tmp_path / "new" / "data").item_index
    asked = Dataset.load(tmp_path / "new" / "asked")
    whole = Dataset.load(chain.data)
    assert set(asked.item_index) == set(whole.item_index) and len(left) < len(whole.item_index)
    events = {history.user_id: history.events for history in whole.histories("test")}
    examples = list(asked.examples("test"))
    assert len(examples) > 20
    for example in examples:
        (target,) = example.targets
        assert target.item_id not in left
        assert {event.item_id for event in example.history.events} <= set(left)
        assert (target.item_id, target.timestamp) in {
            (event.item_id, event.timestamp) for event in events[target.user_id]
        }


def test_reviews_are_kept_from_the_model(chain):
    loaded, engine = load_engine(chain.pretrain, "cpu", 20)
    blind = WithoutReviews(loaded, engine, Dataset.load(chain.data))
    seeing = Recommender(loaded, engine, Dataset.load(chain.data))
    reviewed = [
        Request(example.history)
        for example in blind.data.examples("test")
        if any(event.review for event in example.history.events)
    ][:4]
    prompts = [blind.prompt(events=request.history.events)[0] for request in reviewed]
    assert all('"' in prompt for prompt in prompts)
    assert blind.rank_many(reviewed, 5) != seeing.rank_many(reviewed, 5)


def test_a_column_is_saved_as_it_was_asked(chain, tmp_path):
    ask(COLUMNS["last-2-events"], chain.pretrain, 0.0, tmp_path, 20, 30, tmp_path / "saved")
    saved = load_evaluation(tmp_path / "saved")
    asked = {name: saved.report[name] for name in ("last_events", "num_users", "num_beams")}
    assert asked == {"last_events": 2, "num_users": 30, "num_beams": 20}
    assert saved.manifest.config["recipe"]["sasrec_weight"] == 0.0


def test_people_are_asked_about_who_were_not_trained_on(chain, tmp_path):
    (tmp_path / "strangers").symlink_to(chain.data)
    ask(COLUMNS["strangers"], chain.pretrain, 0.0, tmp_path, 20, 30, tmp_path / "saved")
    saved = load_evaluation(tmp_path / "saved")
    assert saved.report["num_users"] == 30
    assert saved.manifest.parents["data"]["path"].endswith("strangers")


def test_a_sample_of_users_and_the_items_that_they_took(tmp_path):
    rows = [f"u{user},i{user + turn},{100 + turn}" for user in range(9) for turn in range(3)]
    (tmp_path / "all.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows, ""]))
    catalogue = [json.dumps({"item_id": f"i{number}", "title": "Ä"}) for number in range(20)]
    (tmp_path / "items.jsonl").write_text("\n".join([*catalogue, ""]), encoding="utf-8")

    events = sample_users(tmp_path / "all.csv", 2, tmp_path / "some.csv")
    sampled = [line.split(",") for line in events.read_text().splitlines()[1:]]
    assert len({user for user, _, _ in sampled}) == 2 and len(sampled) == 6
    again = sample_users(tmp_path / "all.csv", 2, tmp_path / "again.csv")
    assert again.read_text() == events.read_text()

    strangers = leave_strangers(tmp_path / "all.csv", events, tmp_path / "strangers.csv")
    left = [line.split(",") for line in strangers.read_text().splitlines()[1:]]
    users, items = ({row[place] for row in sampled} for place in (0, 1))
    whole = (row.split(",") for row in rows)
    assert left == [row for row in whole if row[0] not in users and row[1] in items]

    kept = keep_items(tmp_path / "items.jsonl", events, tmp_path / "kept.jsonl")
    lines = kept.read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["item_id"] for line in lines} == items
    assert set(lines) <= set(catalogue)
