"""From events in a store to a decision, on the little shop; gateways' part: test_promotions.py."""

import json
import time
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from safetensors.torch import load_file

from genrec.artifacts import read_manifest
from genrec.cli.updates import parse_interval
from genrec.data import Dataset
from genrec.errors import ArtifactError, ConfigError
from genrec.model.adapter_head import load_adapter_head
from genrec.recommender import Recommender
from genrec.schema import Event, Item
from genrec.semantic_ids.table import NEVER, OF_LATE, WELL
from genrec.serving.catalogue import Catalogue
from genrec.serving.http.app import create_app
from genrec.serving.loading import table_hash_of
from genrec.serving.store import (
    ChangeLog,
    EventStore,
    Journal,
    Lock,
    StoredEvent,
    alone,
    connect,
    migrate,
)
from genrec.training.continual_head import HALF_LIVES
from genrec.updates.config import UpdateConfig
from genrec.updates.slices import last_time
from genrec.updates.update import Updater
from tests.conftest import genrec
from tests.little_gateway import gateway_settings
from tests.serving.routes.calls import asking, check_same, wait_until

CONFIG = UpdateConfig(fewest_users=2, break_share=0, margin=0.99, epochs=2, num_beams=18)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def engine(url):
    engine = connect(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def updater(engine, shop_run, tmp_path):
    return Updater(engine, shop_run, tmp_path / "updates", CONFIG, device="cpu")


def post(engine, shop_run, item, start=10_000, users=12):
    """Everybody goes round in a circle that nobody went before, item(0), item(1), ..."""
    now = last_time(Dataset.load(shop_run.parent / "data"))
    events = [
        StoredEvent(Event(f"u{user}", item(user + n), now + start + 100 * n + user))
        for n in range(5)
        for user in range(users)
    ]
    return EventStore(engine).add(events)


def circle(place):
    return f"i{(place * 5) % 18}"


def test_what_is_new_is_learned_judged_and_never_tried_twice(updater, engine, url, shop_run):
    nothing = updater.update()
    assert nothing.decision == "nothing new" and nothing.change is None
    post(engine, shop_run, circle)
    first = updater.update()
    assert first.decision in ("promoted", "kept") and first.figures["newest"]["users"] >= 2
    assert first.figures["store"]["events"] == 60 and first.figures["data"]
    chosen = first.figures["chosen"]
    assert chosen["half_life_events"] in (None, *HALF_LIVES) and 0 <= chosen["sasrec_weight"] <= 1
    again = updater.update()
    assert again.decision == "nothing new" and "since number 60" in again.reason
    run = read_manifest(shop_run).content_hash
    told = genrec("update", "--run", shop_run, "--store", url, "--journal", "--json")
    assert [entry["decision"] for entry in json.loads(told.stdout)] == [
        *("nothing new", first.decision, "nothing new"),
    ]
    assert Journal(engine).entries(run)[0] == again
    left = {path.name for path in updater.folder.iterdir()}
    assert len(left) == (first.decision == "promoted")


@pytest.fixture
def whatever_it_is_worth(monkeypatch):
    """Every update is promoted."""
    monkeypatch.setattr(
        "genrec.updates.update.judge", lambda *_: type("Yes", (), {"promote": True, "reason": "y"})
    )


def test_new_items_keep_their_ids_and_become_known(updater, engine, shop_run, whatever_it_is_worth):
    recommender = Recommender.from_pretrained(shop_run, "cpu", num_beams=18)
    catalogue = Catalogue(recommender, ChangeLog(engine), table_hash_of(shop_run))
    tea = ("Kitchen", "Tea")
    catalogue.add([Item(name, f"Tea thing {name}", None, tea) for name in ("new", "late")])
    post(engine, shop_run, lambda place: "new" if place % 2 else circle(place))
    moment = last_time(Dataset.load(shop_run.parent / "data")) + 10_305
    EventStore(engine).add([StoredEvent(Event(f"u{n}", "late", moment + n)) for n in range(2)])
    done = updater.update()
    assert done.decision == "promoted"
    folder = shop_run.parent / done.path
    known = json.loads((folder / "sasrec_head" / "items.json").read_text())
    assert known["item_ids"] == ["new", "late"] and known["met"][18:] == [WELL, OF_LATE]
    assert known["codes"] == [list(recommender.codes_of(name)) for name in known["item_ids"]]
    # A head that grows with the table keeps its counts.
    head = load_adapter_head(folder, Recommender.from_pretrained(shop_run, "cpu").table)
    kept, grown = head.head.transitions, head.grown(recommender.table).head.transitions
    assert grown.to_votes().sum() > 0 and (grown.to_votes() != kept.to_votes()).nnz == 0
    assert grown.openings.sum() > 0 and grown.openings.equal(kept.openings)
    recommender.load_adapter("update", folder)
    recommender.use_adapter("update")
    assert len(recommender.recommend("u1", k=5)) == 5
    with pytest.raises(ArtifactError, match="is a 'head'"):
        Recommender.from_pretrained(folder, "cpu")
    # One that an earlier version wrote tells only which items training never met.
    written = folder / "sasrec_head" / "items.json"
    written.write_text(json.dumps({**known, "unseen_rows": [18]}))
    base_table = Recommender.from_pretrained(shop_run, "cpu").table
    assert load_adapter_head(folder, base_table).table.met[18:].tolist() == [NEVER, WELL]
    written.write_text(json.dumps({**known, "met": known["met"][1:]}))
    with pytest.raises(ArtifactError, match="items of the SASRec head"):
        load_adapter_head(folder, base_table)
    written.write_text(json.dumps(known, ensure_ascii=False) + "\n")
    # Going on from what was promoted, and going back.
    post(engine, shop_run, circle, start=20_000)
    second = updater.update()
    assert second.figures["from"] == str(folder.resolve()) or second.figures["from"].endswith(
        folder.name
    )
    run = read_manifest(shop_run).content_hash
    assert Journal(engine).roll_back(run, "me").path == done.path
    (folder / "manifest.json").rename(folder / "aside")
    with pytest.raises(ArtifactError, match="manifest"):
        updater.update()


def test_a_lora_adapter_is_trained_served_and_taken_back(
    engine, url, shop_run, tmp_path, whatever_it_is_worth
):
    config = CONFIG.model_copy(update={"lora_epochs": 1, "lora_learning_rate": 1e-2})
    updater = Updater(engine, shop_run, tmp_path / "updates", config, device="cpu")
    lora_alone = replace(updater, config=config.model_copy(update={"epochs": 0}))
    changes = {"adapters_dir": tmp_path, "live_counts_s": 0}
    settings = gateway_settings(shop_run, url).model_copy(update=changes)
    asked = {"events": [{"item_id": "i3"}], "k": 5, "shown": False}
    with TestClient(create_app(settings)) as client:
        catalogue = [{"item_id": "new", "title": "Tea thing new"}]
        assert client.put("/v1/items", json={"items": catalogue}).is_success
        post(engine, shop_run, lambda place: "new" if place % 2 else circle(place))
        before = client.post("/v1/recommend", json=asked).json()
        with asking(client, asked) as statuses:
            first = lora_alone.update()
            wait_until(lambda: client.get("/v1/adapters").json()["adapter"])
            after = client.post("/v1/recommend", json=asked).json()
            post(engine, shop_run, circle, start=20_000)
            second = updater.update()
            name = f"promoted-{second.content_hash}"
            wait_until(lambda: client.get("/v1/adapters").json()["adapter"] == name)
            age = client.get("/v1/online-metrics").json()["last_24_hours"]["model_age_s"]
            assert client.post("/v1/promotions/rollback").is_success
            assert client.post("/v1/promotions/rollback").is_success
        assert statuses and set(statuses) == {200}
        check_same(client.post("/v1/recommend", json=asked).json(), before)
        scores = [[item["score"] for item in each["items"]] for each in (after, before)]
        assert scores[0] != pytest.approx(scores[1], abs=1e-4)
    newest = last_time(Dataset.load(shop_run.parent / "data")) + 20_000 + 400 + 11
    assert age == pytest.approx(time.time() - newest, abs=60)
    folders = [shop_run.parent / entry.path for entry in (first, second)]
    assert [(folder / "sasrec_head").exists() for folder in folders] == [False, True]
    weights = [load_file(folder / "adapter_model.safetensors") for folder in folders]
    assert [read_manifest(folder).kind for folder in folders] == ["sft", "sft"]
    grown = [float(one[name].abs().sum()) for one in weights for name in one if "lora_B" in name]
    assert all(grown)
    # Trained on from the first: its matrices that began at random are near those of the second.
    near = max(
        float((one - weights[1][name]).abs().max())
        for name, one in weights[0].items()
        if "lora_A" in name
    )
    assert 0 < near < 0.1
    assert not (updater.folder / ".update").exists()


def test_a_clock_that_was_wrong_and_two_at_once(updater, engine, shop_run):
    assert post(engine, shop_run, circle, start=-9_000) == 60
    kept = updater.update()
    assert kept.decision == "kept" and "clock" in kept.reason
    with alone(engine, Lock.UPDATE) as is_alone:
        assert is_alone and updater.update() is None
    assert updater.update().decision == "nothing new"


def test_what_the_command_refuses(url, engine, shop_run):
    answer = genrec("rollback", "--run", shop_run, "--store", url)
    assert answer.returncode == 2
    assert genrec("update", "--run", shop_run, "--store", url, "--set", "mode=x").returncode == 2
    nothing = ("--set", "epochs=0")
    answer = genrec("update", "--run", shop_run, "--store", url, *nothing)
    assert answer.returncode == 2 and "nothing is trained" in answer.stderr
    missing = f"{url}-none"
    assert genrec("update", "--run", shop_run, "--store", missing).returncode == 2
    for text, seconds in (("30s", 30), ("6h", 21_600), ("1d", 86_400)):
        assert parse_interval(text) == seconds
    for text in ("0h", "6", "h", "-1h", "6h30"):
        with pytest.raises(ConfigError, match="--every"):
            parse_interval(text)
