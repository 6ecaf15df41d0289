"""The model card: every figure in it is one of the artifacts'."""

import json

import pytest
import yaml
from huggingface_hub import ModelCard

from genrec.artifacts import read_manifest
from genrec.errors import ArtifactError
from genrec.evaluate.report import mode_name
from genrec.recommender import Recommender
from tests.conftest import genrec, succeed

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def evaluation(chain, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated") / "evaluation"
    arguments = ["--run", chain.sft, "--out", out, "--max-users", 30, "--no-baselines"]
    succeed(genrec("evaluate", *arguments, "--num-beams", 20))
    return out


def test_it_says_what_was_measured(chain, evaluation, tmp_path):
    recommender = Recommender.from_pretrained(chain.sft, "cpu")
    recommender.save_pretrained(tmp_path / "model", evaluation)
    card = ModelCard.load(tmp_path / "model" / "README.md")
    report = json.loads((evaluation / "report.json").read_text())
    figures = report["rankers"]["genrec"][mode_name(True)]
    told = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert told["ndcg@10"] == pytest.approx(figures["ndcg@10"]["mean"], abs=1e-6)
    low, high = figures["ndcg@10"]["low"], figures["ndcg@10"]["high"]
    mean = figures["ndcg@10"]["mean"]
    assert f"| ndcg@10 | {mean:.4f} | {low:.4f} – {high:.4f} |" in card.text
    assert "mean over\n30 users" in card.text


def test_it_says_what_it_was_trained_on(chain, tmp_path):
    Recommender.from_pretrained(chain.sft, "cpu").save_pretrained(tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    report = json.loads((chain.data / "report.json").read_text())
    for part in (
        read_manifest(chain.data).content_hash,
        read_manifest(chain.pretrain).content_hash,
        read_manifest(chain.sft).content_hash,
        f"| events | {report['events']:,} |",
        f"| users | {report['users']:,} |",
        "leave-one-out",
        '"seed": 0',
        "No evaluation was given",
        "## Limits",
        "## Intended use",
    ):
        assert part in text, part
    # What is written again from the folder says the same of its data.
    Recommender.from_pretrained(tmp_path / "model", "cpu").save_pretrained(tmp_path / "again")
    again = (tmp_path / "again" / "README.md").read_text()
    assert read_manifest(chain.data).content_hash in again
    assert yaml.safe_load(again.split("---\n")[1]) == yaml.safe_load(text.split("---\n")[1])


def test_an_evaluation_of_another_run_is_refused(chain, evaluation, tmp_path):
    with pytest.raises(ArtifactError, match="is an evaluation of run"):
        Recommender.from_pretrained(chain.pretrain, "cpu").save_pretrained(
            tmp_path / "model", evaluation
        )
    assert not (tmp_path / "model").exists()
