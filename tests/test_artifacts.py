"""The commit that a manifest records."""

import json
import subprocess
from pathlib import Path

import pytest

from genrec import artifacts
from genrec.artifacts import read_manifest, write_aside, write_manifest
from genrec.errors import ArtifactError

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def look_again():
    artifacts._checkout_commit.cache_clear()
    yield
    artifacts._checkout_commit.cache_clear()


def write(path: Path) -> dict:
    with write_aside(path) as directory:
        (directory / "x").write_text("x")
        write_manifest(directory, path, "data", {}, ["x"])
    return json.loads((path / "manifest.json").read_text())


def test_an_output_below_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot write .*choose another"):
        with write_aside(tmp_path / "file" / "out"):
            pass


def git(*arguments: str, folder: Path) -> str:
    names = ("-c", "user.name=t", "-c", "user.email=t@t")
    command = ["git", "-C", str(folder), *names, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository that pretends to be genrec's."""
    folder = tmp_path / "checkout"
    (folder / "genrec").mkdir(parents=True)
    (folder / "genrec" / "artifacts.py").write_text("")
    git("init", "-q", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "-q", "-m", "first", folder=folder)
    git("tag", "v1", folder=folder)
    monkeypatch.setattr(artifacts, "__file__", str(folder / "genrec" / "artifacts.py"))
    return folder


def test_a_clean_tree_and_a_changed_one(checkout, tmp_path):
    short = git("rev-parse", "--short", "HEAD", folder=checkout)
    assert write(tmp_path / "clean")["commit"] == short
    assert read_manifest(tmp_path / "clean").commit == short
    artifacts._checkout_commit.cache_clear()
    (checkout / "genrec" / "artifacts.py").write_text("changed")
    assert write(tmp_path / "changed")["commit"] == short + "+"


def test_it_is_asked_once_a_process(checkout, tmp_path, monkeypatch):
    first = write(tmp_path / "one")["commit"]
    monkeypatch.setattr(subprocess, "run", None)
    assert write(tmp_path / "two")["commit"] == first


def test_no_checkout_of_its_own_no_commit(checkout, tmp_path, monkeypatch):
    """Installed into an environment that lies in somebody's repository."""
    place = checkout / "env" / "genrec" / "artifacts.py"
    monkeypatch.setattr(artifacts, "__file__", str(place))
    assert "commit" not in write(tmp_path / "one")
    assert read_manifest(tmp_path / "one").commit is None


def test_no_git_no_commit(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "commit" not in write(tmp_path / "one")


def test_a_name_that_no_file_can_have_is_one_clear_line():
    with pytest.raises(ArtifactError, match="cannot be a path"):
        read_manifest(Path("a" * 300))
