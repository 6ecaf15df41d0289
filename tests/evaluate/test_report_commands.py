"""evaluate --out, compare and lint-report as a user types them."""

import json

import pytest

from genrec.baselines import fit_baselines
from genrec.evaluate import compare, load_evaluation, save_evaluation
from genrec.model.base import BaseConfig, make_base
from genrec.semantic_ids.build import IndexConfig, build_index
from tests.conftest import genrec

POSSIBLE = "model,R@10,N@10\nrepeat-last,0.0269,0.0269\nx,0.0605,0.0318\n"
IMPOSSIBLE = POSSIBLE + "y,0.0605,0.0718\n"


@pytest.fixture
def write(tmp_path):
    def write_table(text: str):
        (tmp_path / "table.csv").write_text(text)
        return tmp_path / "table.csv"

    return write_table


@pytest.fixture(scope="module")
def saved(toy_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("saved") / "evaluation"
    save_evaluation(
        compare(fit_baselines(toy_data), toy_data, "test"), out, {"data": toy_data.path}
    )
    return out


def test_evaluate_saves_what_the_other_two_read(toy_data, tmp_path):
    index, base, out = (tmp_path / name for name in ("index", "base", "evaluation"))
    build_index(toy_data, index, IndexConfig.model_validate({"behaviour": {"dims": 16}}))
    scratch = {
        "hidden_size": 32, "intermediate_size": 64, "num_layers": 1, "num_heads": 2,
        "text_vocab_size": 400,
    }  # fmt: skip
    make_base(toy_data.path, index, base, BaseConfig.model_validate({"scratch": scratch}))
    asked = ("--run", base, "--max-users", 30, "--num-beams", 25, "--device", "cpu", "--json")
    done = genrec("evaluate", *asked, "--out", out)
    assert done.returncode == 0
    evaluation = load_evaluation(out)
    assert evaluation.report == json.loads(done.stdout)
    assert evaluation.manifest.config["num_beams"] == 25
    assert set(evaluation.manifest.parents) == {"run", "data"}
    assert genrec("lint-report", out).returncode == 0
    done = genrec("compare", out, out, "--other", "popularity", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["second"] == "evaluation:popularity"


def test_lint_report_exits_with_1_and_says_why(write):
    done = genrec("lint-report", write(IMPOSSIBLE))
    assert done.returncode == 1
    for words in ("bounds", "y · NDCG@10", "1 refused", "how to mend"):
        assert words in done.stdout
    assert genrec("lint-report", write(POSSIBLE)).returncode == 0


def test_lint_report_as_json(write, saved):
    table = write(IMPOSSIBLE)
    done = genrec("lint-report", table, saved, "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 1
    assert content[str(saved)] == []
    (found,) = content[str(table)]
    assert (found["rule"], found["where"]) == ("bounds", "y · NDCG@10")
    assert set(found) == {"rule", "where", "what", "remedy", "severity"}


def test_a_folder_of_evaluations_is_checked_whole(saved):
    done = genrec("lint-report", saved.parent, "--json")
    assert done.returncode == 0
    assert list(json.loads(done.stdout)) == [str(saved)]


def test_strict_refuses_warnings_too(write):
    table = write("model,R@10\nx,0.1\n")
    assert genrec("lint-report", table).returncode == 0
    assert genrec("lint-report", table, "--strict").returncode == 1


@pytest.mark.parametrize("text", ["name,colour\nx,red\n", "", "\x00\x01"])
def test_nothing_to_check_is_the_users_fault(write, text):
    done = genrec("lint-report", write(text))
    assert done.returncode == 2
    assert done.stderr.startswith("error:") and len(done.stderr.strip().splitlines()) == 1


def test_files_that_are_no_report_are_the_users_fault(tmp_path, toy_data):
    (tmp_path / "other.json").write_text('{"rankers": {"x": 1}}')
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for path in ("none.csv", "other.json", "bytes.csv", "."):
        done = genrec("lint-report", tmp_path / path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), path
    assert genrec("lint-report", toy_data.path).returncode == 2


def test_compare_prints_a_table_and_tells_faults(saved, tmp_path):
    done = genrec("compare", saved, saved, "--ranker", "item-knn")
    assert done.returncode == 0 and "seen filtered" in done.stdout
    done = genrec("compare", saved, saved, "--ranker", "sasrec")
    assert done.returncode == 2 and "popularity" in done.stderr
    assert genrec("compare", saved, tmp_path / "none").returncode == 2
