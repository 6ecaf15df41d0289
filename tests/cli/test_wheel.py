"""What pip installs runs the whole chain, outside the checkout."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder of programs of an environment with the wheel, and this one's other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0 and "hatchling" in done.stderr:
        pytest.skip("hatchling, which builds the wheel, is not at hand")
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--quiet", "--no-deps", wheel], check=True)
    # Dependencies are read from here; our own checkout, which is linked by a .pth file, is not.
    site = next((folder / "env").glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


def test_the_chain_runs_from_a_wheel(installed, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)

    def genrec(*arguments: object) -> str:
        command = [str(installed / "python"), "-m", "genrec.cli", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    where = subprocess.run(
        [installed / "python", "-c", "import genrec; print(genrec.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(installed.parent) in where.stdout
    assert genrec("--version").startswith("genrec ")
    genrec("toy", "--out", "raw", "--set", "num_users=60")
    genrec("prepare", "--events", "raw/events.csv.gz", "--items", "raw/items.jsonl.gz",
           "--out", "data")  # fmt: skip
    genrec("index", "--data", "data", "--out", "index")
    genrec("base", "--data", "data", "--index", "index", "--out", "base",
           "--set", "scratch.hidden_size=32", "--set", "scratch.intermediate_size=64",
           "--set", "scratch.num_layers=1", "--set", "scratch.num_heads=1")  # fmt: skip
    genrec("train", "pretrain", "--accelerate", "cpu", "--config", "demo_pretrain", "data=data",
           "base=base", "out=pretrain", "epochs=1", "validation.users=10",
           "sasrec=null")  # fmt: skip
    genrec("recommend", "--run", "pretrain", "--users", "all", "--out", "recs.parquet",
           "--num-beams", 10)  # fmt: skip
    assert (tmp_path / "recs.parquet").exists()
    assert "GENREC_" in genrec("serve", "--help")
