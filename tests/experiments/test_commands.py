import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genrec.cli import app
from genrec.errors import ConfigError, DataError
from genrec.experiments.columns import read_table


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    return result.output


@pytest.fixture(scope="module", params=[".csv", ".tsv", ".csv.gz", ".parquet"])
def exposures(request, tmp_path_factory):
    """IDs are digits with zeros before them, and must stay so."""
    rng = np.random.default_rng(0)
    users = np.arange(2000)
    frame = pd.DataFrame(
        {
            "user_id": [f"{user:06}" for user in users],
            "arm": np.where(users % 2, "02", "01"),
            "clicks": rng.binomial(5, np.where(users % 2, 0.3, 0.2)),
            "shown": 5,
            "ms": rng.normal(100, 5, 2000),
        }
    )
    path = tmp_path_factory.mktemp("exposures") / f"fusion{request.param}"
    if request.param == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if request.param == ".tsv" else ",")
    return path


def test_an_experiment_is_judged_from_a_file(exposures):
    arguments = ("experiment", exposures, "--arm", "01=1", "--arm", "02=1")
    arguments += ("--metric", "clicks/shown", "--guardrail", "ms:lower")
    found = json.loads(run(*arguments, "--json"))
    assert found["winner"] == "02" and found["users"] == {"01": 1000, "02": 1000}
    assert found["guardrails"][0]["metric"] == "ms/exposure:lower"
    assert "keep 02" in run(*arguments)


def test_a_policy_is_judged_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    log = {"reward": rng.random(300) < 0.2, "propensity": 0.5, "target_propensity": 0.5}
    pd.DataFrame(log).to_csv(tmp_path / "log.csv", index=False)
    found = json.loads(run("off-policy", tmp_path / "log.csv", "--json"))
    assert found["estimates"]["IPS"]["value"] == pytest.approx(log["reward"].mean())
    assert "SNIPS" in run("off-policy", tmp_path / "log.csv")


def test_an_arm_without_a_weight_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="NAME=WEIGHT"):
        run("experiment", tmp_path / "x.csv", "--arm", "old", "--arm", "new=1")


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "torn.csv").write_text("a,b\n1,2,3\n")
    (tmp_path / "torn.parquet").write_text("a,b\n1,2\n")
    for name in ("torn.csv", "torn.parquet"):
        with pytest.raises(DataError, match="cannot be read"):
            read_table(tmp_path / name)
