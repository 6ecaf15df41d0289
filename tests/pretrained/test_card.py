"""The model card: every figure in it is one of the artifacts'."""

import json
import shutil

import pytest
import yaml
from huggingface_hub import ModelCard

from genrec.artifacts import hash_files, read_manifest
from genrec.errors import ArtifactError
from genrec.evaluate.report import mode_name
from genrec.evaluate.saved import CONTENT_FILES
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
    assert "asked at the target event" in card.text and "mean over\n30 users" in card.text


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--last-events", 1], "with last_events=1"),
        (["--sasrec-weight", 0], "with sasrec_weight=0.0"),
        (["--histories", "other"], "on the data"),
    ],
)
def test_figures_that_are_not_the_models_as_it_is_are_refused(chain, tmp_path, options, words):
    if "other" in options:
        options[1] = tmp_path / "other"
        raw = ["--events", chain.raw / "events.csv.gz", "--items", chain.raw / "items.jsonl.gz"]
        succeed(genrec("prepare", *raw, "--out", options[1], "--set", "valid_users=20"))
    out = tmp_path / "evaluation"
    asked = ["--run", chain.sft, "--out", out, "--max-users", 3, "--no-baselines"]
    succeed(genrec("evaluate", *asked, "--num-beams", 5, *options))
    with pytest.raises(ArtifactError, match=words):
        Recommender.from_pretrained(chain.sft, "cpu").save_pretrained(tmp_path / "model", out)


def test_beside_a_chat_model_the_figures_are_the_runs(chain, evaluation, tmp_path):
    saved = tmp_path / "both"
    shutil.copytree(evaluation, saved)
    report = json.loads((saved / "report.json").read_text())
    own = report["rankers"].pop("genrec")
    report["rankers"] = {"zero-shot": {mode: {} for mode in own}, "genrec": own}
    (saved / "report.json").write_text(json.dumps(report))
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["config"]["rankers"] = ["zero-shot", "genrec"]
    manifest["content_hash"] = hash_files([saved / name for name in CONTENT_FILES])
    (saved / "manifest.json").write_text(json.dumps(manifest))
    recommender = Recommender.from_pretrained(chain.sft, "cpu")
    recommender.save_pretrained(tmp_path / "model", saved)
    figure = own[mode_name(True)]["ndcg@10"]["mean"]
    assert f"| ndcg@10 | {figure:.4f} |" in (tmp_path / "model" / "README.md").read_text()
