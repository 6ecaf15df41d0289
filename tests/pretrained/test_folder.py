"""One folder that holds all that answering needs, wherever it lies."""

import json
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.artifacts import read_manifest
from genrec.errors import ArtifactError, ConfigError, DataError
from genrec.recommender import Recommender
from genrec.schema import Item
from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from tests.conftest import genrec, succeed, train

pytestmark = pytest.mark.services
SUFFIXES = {".safetensors", ".json", ".parquet", ".md"}


@pytest.fixture(scope="module")
def recommender(moved):
    return Recommender.from_pretrained(moved.folder, "cpu", num_beams=300)


def test_it_answers_as_before(moved, recommender):
    found = recommender.recommend(events=moved.events, k=10)
    assert [item.item_id for item in found] == [item_id for item_id, _ in moved.recommended]
    assert [item.score for item in found] == pytest.approx([s for _, s in moved.recommended])
    assert all(item.title for item in found)
    explained = recommender.explain(found[0].item_id, events=moved.events).to_json()
    assert explained["sentence"] == moved.explained["sentence"]
    assert explained["score"] == pytest.approx(moved.explained["score"])
    assert recommender.interests(events=moved.events).words == moved.interests


def test_it_holds_nothing_pickled_and_no_path_of_another_machine(moved):
    files = [path for path in moved.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == SUFFIXES
    for path in files:
        if path.suffix in (".json", ".md"):
            text = path.read_text(encoding="utf-8")
            assert "/tmp/" not in text and str(Path.home()) not in text, path
    assert not list(moved.folder.rglob("events.parquet"))


def test_nobody_is_known_until_histories_are_given(chain, moved, recommender):
    with pytest.raises(DataError, match="holds nobody's events.*histories"):
        recommender.recommend("ada-000")
    with_users = Recommender.from_pretrained(moved.folder, "cpu", histories=chain.data)
    user = moved.events[0].user_id
    assert with_users.history(user).events == moved.events
    done = succeed(genrec("recommend", "--run", moved.folder, "--user", user, "--json",
                          "--histories", chain.data, "--num-beams", 300))  # fmt: skip
    assert [item["item_id"] for item in json.loads(done.stdout)] == [
        item_id for item_id, _ in moved.recommended
    ]
    done = genrec("recommend", "--run", moved.folder, "--user", user)
    assert done.returncode == 2 and "--histories" in done.stderr


def test_it_can_be_evaluated_on_data_that_are_given(chain, moved):
    done = succeed(genrec("evaluate", "--run", moved.folder, "--histories", chain.data, "--json",
                          "--max-users", 20, "--no-baselines"))  # fmt: skip
    here = succeed(genrec("evaluate", "--run", chain.sft, "--json", "--max-users", 20,
                          "--no-baselines"))  # fmt: skip
    without_speed = [json.loads(each.stdout)["rankers"]["genrec"] for each in (done, here)]
    for modes in without_speed:
        for mode in modes.values():
            mode.pop("users_per_s")
    assert without_speed[0] == without_speed[1]
    done = genrec("evaluate", "--run", moved.folder)
    assert done.returncode == 2 and "--histories" in done.stderr


def test_the_gateway_serves_it(moved, tmp_path):
    settings = Settings(
        run=moved.folder, device="cpu", threads=1, num_beams=300, rate_limit_per_s=0,
        store=SecretStr(f"sqlite:///{tmp_path}/store.db"),
    )  # fmt: skip
    with TestClient(create_app(settings)) as client:
        check_gateway(client, moved)


def check_gateway(client: TestClient, moved) -> None:
    """A user of whom nothing is known posts events, and gets what the model gave before."""
    events = [
        {
            "user_id": "somebody", "item_id": event.item_id, "timestamp": event.timestamp,
            "event_type": event.event_type, "rating": event.rating, "title": event.title,
            "review": event.review,
        }
        for event in moved.events
    ]  # fmt: skip
    assert client.post("/v1/events", json={"events": events}).status_code == 200
    answer = client.post("/v1/recommend", json={"user_id": "somebody", "k": 10}).json()
    assert [item["item_id"] for item in answer["items"]] == [name for name, _ in moved.recommended]
    told = client.post("/v1/interests", json={"user_id": "somebody"})
    assert told.status_code == 200, told.text


def test_a_vllm_server_serves_it(vllm_server, moved, tmp_path):
    settings = Settings(
        run=moved.folder, vllm=vllm_server.url, num_beams=300, rate_limit_per_s=0,
        store=SecretStr(f"sqlite:///{tmp_path}/store.db"),
    )  # fmt: skip
    with TestClient(create_app(settings)) as client:
        check_gateway(client, moved)


def test_it_can_be_trained_on_with_new_events(moved, tmp_path):
    """The data it was made from are gone: new events of some of its items take their place."""
    rows = ["user_id,item_id,timestamp"]
    items = [event.item_id for event in moved.events][:6]
    for user in range(12):
        rows += [f"new-{user},{item},{1_800_000_000 + n}" for n, item in enumerate(items)]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    succeed(genrec("prepare", "--events", tmp_path / "events.csv", "--out", tmp_path / "data"))
    base = moved.folder / "base"
    arguments = [f"data={tmp_path / 'data'}", f"base={base}", "epochs=1", "validation.users=10"]
    succeed(train("sft", *arguments, f"out={tmp_path / 'tuned'}"))
    tuned = Recommender.from_pretrained(tmp_path / "tuned", "cpu")
    assert read_manifest(tmp_path / "tuned").parents["base"]["content_hash"] == (
        read_manifest(base).content_hash
    )
    assert len(tuned.recommend("new-3", k=5)) == 5
    # Titles are the model's own: the new data name six items and no title.
    assert all(item.title for item in tuned.recommend("new-3", k=5, filter_seen=False))


def test_events_of_unknown_items_are_refused_before_training(moved, tmp_path):
    rows = ["user_id,item_id,timestamp", *(f"u,other-{n},{n}" for n in range(5))]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    succeed(genrec("prepare", "--events", tmp_path / "events.csv", "--out", tmp_path / "data"))
    done = train("sft", f"data={tmp_path / 'data'}", f"base={moved.folder / 'base'}",
                  f"out={tmp_path / 'tuned'}")  # fmt: skip
    assert done.returncode != 0 and "5 items" in done.stderr and "other-0" in done.stderr


def test_an_adapter_finds_its_base_by_hash(chain, moved, tmp_path):
    """It was trained where its base lay then; only the base's content counts."""
    shutil.copytree(chain.sft, tmp_path / "adapter")
    base = Recommender.from_pretrained(moved.folder / "base", "cpu", num_beams=300)
    base.load_adapter("mine", tmp_path / "adapter")
    base.use_adapter("mine")
    found = base.recommend(events=moved.events, k=10)
    assert [item.item_id for item in found] == [item_id for item_id, _ in moved.recommended]
    other = Recommender.from_pretrained(chain.base, "cpu")
    with pytest.raises(ArtifactError, match="built on base"):
        other.load_adapter("mine", tmp_path / "adapter")


def test_items_added_since_are_part_of_it(moved, tmp_path):
    grown = Recommender.from_pretrained(moved.folder, "cpu")
    codes = grown.add_items([Item("novel", "A new thing", "Acme", ("things",))])
    grown.remove_items([grown.table.item_ids[0]])
    grown.save_pretrained(tmp_path / "grown")
    again = Recommender.from_pretrained(tmp_path / "grown", "cpu")
    assert again.codes_of("novel") == codes[0] and again.item("novel").brand == "Acme"
    assert again.items == grown.items and len(again.items) == len(grown.table)
    # And it can be written once more from where it lies.
    again.save_pretrained(tmp_path / "grown")
    assert Recommender.from_pretrained(tmp_path / "grown", "cpu").items == grown.items


FILES = [
    *("adapter_model.safetensors", "base/model.safetensors", "base/index/codes.safetensors"),
    *("base/index/codebook.safetensors", "base/index/encoder.safetensors", "base/config.json"),
    *(
        "base/data/items.parquet",
        "base/tokenizer.json",
        "forecast/model.safetensors",
        "manifest.json",
    ),
    *("base/sasrec_head/model.safetensors", "base/index/item_ids.json"),
]


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_one_clear_line(moved, tmp_path, name):
    shutil.copytree(moved.folder, tmp_path / "model")
    file = tmp_path / "model" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="damaged") as raised:
        # Items are read when they are asked for.
        assert Recommender.from_pretrained(tmp_path / "model", "cpu").items
    assert "\n" not in str(raised.value)


def test_a_newer_format_is_told(moved, tmp_path):
    shutil.copytree(moved.folder, tmp_path / "model")
    file = tmp_path / "model" / "base" / "index" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 99}))
    with pytest.raises(ArtifactError, match="newer genrec: upgrade"):
        Recommender.from_pretrained(tmp_path / "model", "cpu")


def test_it_does_not_overwrite_what_is_no_model(recommender, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="not a genrec artifact"):
        recommender.save_pretrained(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("setting", ["sasrec_weight", "new_item_boost"])
@pytest.mark.parametrize("value", [float("inf"), "0.5"])
def test_a_setting_that_does_not_fit_is_told(moved, setting, value):
    with pytest.raises(ConfigError, match=f"{setting}={value}"):
        Recommender.from_pretrained(moved.folder, "cpu", **{setting: value})


def test_what_is_no_path_is_told(moved):
    with pytest.raises(TypeError, match="^path=None"):
        Recommender.from_pretrained(None)
    with pytest.raises(TypeError, match="^folder=3"):
        Recommender.from_pretrained(moved.folder, "cpu").save_pretrained(3)
