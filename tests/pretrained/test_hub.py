"""Models on a Hub: a real client against an endpoint on this machine."""

import os
import subprocess
import sys

import pytest
import yaml

from genrec.errors import ArtifactError
from genrec.pretrained.hub import find_model
from tests.pretrained.hub_endpoint import Hub, serve

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def hub():
    hub = Hub()
    server = serve(hub)
    yield hub
    server.should_exit = True


def run(code: str, hub: Hub, tmp_path, *arguments: object) -> subprocess.CompletedProcess:
    """Run in a process of its own: the client reads the endpoint when it is imported."""
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"),
        "HF_TOKEN": "hf_x", "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_model_goes_up_and_comes_down(hub, moved, tmp_path):
    code = (
        "import sys; from genrec import Recommender; "
        "print(Recommender.from_pretrained(sys.argv[1], 'cpu').push_to_hub('owner/model'))"
    )
    done = run(code, hub, tmp_path, moved.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(f"{hub.url}/owner/model/commit/")
    files = hub.repos["owner/model"]
    assert {"README.md", "manifest.json", "base/model.safetensors", "base/index/codes.safetensors",
            "base/data/items.parquet"} <= set(files)  # fmt: skip
    assert hub.private["owner/model"] and hub.messages == ["Upload a genrec model"]
    header = files["README.md"].decode().split("---\n")[1]
    assert yaml.safe_load(header)["library_name"] == "genrec"

    code = (
        "from genrec import Event, Recommender; "
        "model = Recommender.from_pretrained('owner/model', 'cpu', num_beams=300); "
        f"events = [Event('u', '{moved.events[0].item_id}', 5)]; "
        "print(*(item.item_id for item in model.recommend(events=events, k=3)))"
    )
    done = run(code, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 3


@pytest.mark.parametrize("name", ["nobody/nothing", "bad name/x y"])
def test_a_model_that_is_not_there_is_one_clear_line(hub, tmp_path, name):
    code = "import sys; from genrec.cli import main; sys.argv[1:] = sys.argv[1:]; main()"
    arguments = ["recommend", "--run", name, "--user", "u"]
    done = run(code, hub, tmp_path, *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"error: '{name}' is no folder here")


def test_a_hub_that_is_not_there_is_one_clear_line(tmp_path, moved):
    away = Hub(url="http://127.0.0.1:9")
    code = "import sys; from genrec.cli import main; main()"
    done = run(code, away, tmp_path, "recommend", "--run", "owner/model", "--user", "u")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    code = (
        "import sys; from genrec import Recommender, GenrecError\n"
        "try: Recommender.from_pretrained(sys.argv[1], 'cpu').push_to_hub('owner/model')\n"
        "except GenrecError as error: print(error)"
    )
    done = run(code, away, tmp_path, moved.folder)
    assert done.stdout.startswith("cannot upload to 'owner/model'"), done.stderr


def test_a_path_is_not_asked_for_over_the_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("runs/sft", "./a", "/a/b", "a", "a/b/c", tmp_path / "x"):
        assert str(find_model(path)) == str(path).removeprefix("./")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ArtifactError, match="is no folder here"):
        find_model("some--where/model")
