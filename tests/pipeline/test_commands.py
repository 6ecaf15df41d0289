"""The chain as a user runs it, and the faults a user makes: exit code 2, one line, nothing left."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genrec.data import Dataset
from genrec.semantic_ids.table import SemanticIdTable
from tests.conftest import genrec, succeed


@pytest.fixture(scope="module")
def user(chain):
    return next(Dataset.load(chain.data).examples("test")).history.user_id


def refused(*arguments) -> str:
    """Return the one line a wrong command prints."""
    done = genrec(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error:"), done.stderr
    return line


def test_recommend_returns_unseen_items_best_first(chain, user):
    done = succeed(genrec("recommend", "--run", chain.sft, "--user", user, "-k", 12, "--json"))
    found = json.loads(done.stdout)
    data = Dataset.load(chain.data)
    seen = {event.item_id for event in data.history(user).events}
    ids = [item["item_id"] for item in found]
    assert [item["rank"] for item in found] == list(range(1, 13))
    assert len(set(ids)) == 12
    assert set(ids) <= set(data.item_index) - seen
    scores = [item["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    assert all(item["title"] for item in found)


def test_recommend_prints_a_table(chain, user):
    done = succeed(genrec("recommend", "--run", chain.sft, "--user", user, "-k", 3))
    assert f"Recommended to {user}" in done.stdout


def test_filters_hold(chain, user):
    ids = [item.item_id for item in Dataset.load(chain.data).items]
    candidates = [argument for item in ids[:6] for argument in ("--candidates", item)]
    exclude = ["--exclude", ids[0]]
    done = succeed(
        genrec(
            *("recommend", "--run", chain.sft, "--user", user, "-k", 5, "--no-filter-seen"),
            *("--json", *candidates, *exclude),
        )
    )
    assert {item["item_id"] for item in json.loads(done.stdout)} == set(ids[1:6])


def test_explain_says_what_each_event_does(chain, user):
    item = json.loads(
        succeed(genrec("recommend", "--run", chain.sft, "--user", user, "-k", 1, "--json")).stdout
    )[0]
    ask = ("explain", "--run", chain.sft, "--user", user, "--item", item["item_id"])
    found = json.loads(succeed(genrec(*ask, "--json")).stdout)
    assert found["score"] == pytest.approx(item["score"], abs=1e-4)
    assert found["whole"] == pytest.approx(found["parts"] + found["residual"])
    printed = succeed(genrec(*ask)).stdout
    assert "residual" in printed and printed.count("│") >= len(found["effects"])
    for effect in found["effects"]:
        assert f"{effect['nats']:+.2f}" in printed
    seen = Dataset.load(chain.data).history(user).events[0].item_id
    assert "not in the table" in refused(*ask[:-1], "nothing")
    assert json.loads(succeed(genrec(*ask[:-1], seen, "--json")).stdout)["item_id"] == seen


def test_what_if_questions_change_the_answer_and_keep_k(chain, user):
    ask = ("recommend", "--run", chain.sft, "--user", user, "-k", 5, "--json")

    def items(*options):
        return [one["item_id"] for one in json.loads(succeed(genrec(*ask, *options)).stdout)]

    history = Dataset.load(chain.data).history(user)
    names = json.loads((chain.index / "names.json").read_text())
    name = next(name for prefix, name in names.items() if "." not in prefix)
    plain = items()
    supposed = {
        "up": items("--boost", f"{name}=20"),
        "down": items("--boost", f"{name}=20", "--dampen", f"{name}=20"),
        "earlier": items("--as-of", history.events[1].timestamp),
        "without": items("--without", -1),
    }
    assert all(len(set(found)) == 5 for found in supposed.values())
    assert supposed["down"] == plain
    # Boosted without measure, the interest fills the list as far as it has unseen items.
    prefix = next(key for key, value in names.items() if value == name)
    table = SemanticIdTable.load(chain.index)
    seen = {event.item_id for event in history.events}
    inside = [
        item_id
        for item_id in table.item_ids
        if table.codes_of(item_id)[0] == int(prefix) and item_id not in seen
    ]
    assert sum(item_id in inside for item_id in supposed["up"]) == min(5, len(inside))
    known = {event.item_id for event in history.events[:1]}
    assert not known & set(supposed["earlier"])
    assert "no time" in refused(*ask, "--as-of", "tomorrow")
    assert "no interest is called 'qqqq'" in refused(*ask, "--boost", "qqqq")
    assert "no event 999" in refused(*ask, "--without", 999)
    assert "--dampen" in refused(*ask, "--boost", f"{name}=-1")


def test_interests_rest_on_events(chain, user):
    done = succeed(genrec("interests", "--run", chain.sft, "--user", user, "--json"))
    summary = json.loads(done.stdout)
    assert summary["words"]
    events = {(e.item_id, e.timestamp) for e in Dataset.load(chain.data).history(user).events}
    for interest in summary["interests"]:
        assert len(interest["evidence"]) >= 2
        assert {(e["item_id"], e["timestamp"]) for e in interest["evidence"]} <= events
    assert sum(entry["probability"] for entry in summary["next"]) <= 1 + 1e-6


def test_prompt_shows_what_the_model_reads(chain, user):
    done = succeed(genrec("prompt", "--run", chain.sft, "--user", user))
    assert done.stdout.startswith("<|user|>")
    assert done.stdout.rstrip("\n").endswith("<|item|>")
    assert "tokens" in done.stderr


def test_evaluate_is_item_level_with_both_filters(chain):
    done = succeed(genrec("evaluate", "--run", chain.sft, "--split", "test", "--json"))
    rankers = json.loads(done.stdout)["rankers"]
    assert set(rankers) == {"genrec", "popularity", "repeat-last", "item-knn", "markov"}
    for modes in rankers.values():
        for mode in ("filtered", "unfiltered"):
            entry = modes[mode]
            assert entry["invalid_rate"] == entry["duplicate_rate"] == 0
            for metric in ("recall", "ndcg", "mrr"):
                means = [entry[f"{metric}@{k}"]["mean"] for k in (1, 5, 10, 20)]
                assert means == sorted(means)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--user", "nobody"], "nobody"),
        (["-k", "100000"], "100000"),
        (["-k", "0"], "k=0"),
        (["--candidates", "no-such-item"], "no-such-item"),
        (["--exclude", "no-such-item"], "no-such-item"),
    ],
)
def test_wrong_requests_are_told(chain, user, arguments, told):
    given = [] if "--user" in arguments else ["--user", user]
    assert told in refused("recommend", "--run", chain.sft, *given, *arguments)


def test_wrong_paths_are_told(chain, user, tmp_path):
    assert "no/run" in refused("recommend", "--run", "no/run", "--user", user)
    assert "'data' artifact" in refused("recommend", "--run", chain.data, "--user", user)
    missing = tmp_path / "none.csv"
    out = tmp_path / "out"
    assert "none.csv" in refused("prepare", "--events", missing, "--out", out)
    assert "not a genrec artifact" in refused("index", "--data", tmp_path, "--out", out)
    assert not out.exists()


def test_an_artifact_made_for_another_table_is_told(chain, user, tmp_path):
    """The index is built anew under a trained run: the run refuses it."""
    copy = tmp_path / "copy"
    shutil.copytree(chain.root, copy)
    succeed(genrec("index", "--data", copy / "data", "--out", copy / "index", "--set", "seed=7"))
    line = refused("recommend", "--run", copy / "sft", "--user", user)
    assert "was built on index" in line


def test_a_copied_chain_still_runs(chain, user, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(chain.root, copy)
    succeed(genrec("recommend", "--run", copy / "sft", "--user", user, "--json"))


def test_existing_files_are_not_overwritten(chain, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "letter.txt").write_text("keep me")
    line = refused("index", "--data", chain.data, "--out", out)
    assert "not a genrec artifact" in line
    assert (out / "letter.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    "command", [("-m", "genrec.cli"), (Path(sys.executable).parent / "genrec",)]
)
def test_the_command_itself_starts_and_ends_as_it_should(command, chain):
    """All else here calls it within this process."""
    start = [sys.executable, *command] if command[0] == "-m" else list(command)
    for arguments, code in ((["--help"], 0), (["prompt", "--run", chain.sft, "--user", "no"], 2)):
        done = subprocess.run([*start, *arguments], capture_output=True, text=True)
        assert done.returncode == code
        assert ("recommend" in done.stdout) if code == 0 else "error: " in done.stderr


def test_demo_tells_a_story(chain, user):
    done = succeed(genrec("demo", "--run", chain.sft, "--user", user))
    for part in (f"Timeline of {user}", "Recommended to", "Interests of", "popularity"):
        assert part in done.stdout


def test_demo_llm_tells_what_a_model_adds_beside_another(chain, chat_model):
    both = ("--run", chain.sft, "--scratch", chain.pretrain)
    done = succeed(genrec("demo-llm", *both, "--chat", chat_model, "--users", 3))
    assert len(re.findall(r"│ Moka Pot ", done.stdout)) == 1
    row = re.search(r"taken for what they are\s*│ (\d+) of 12\s*│ (\d+) of 12", done.stdout)
    assert row and row[1] == row[2]  # both runs have the same IDs
    assert re.search(r"says it otherwise\s*│ \d+ of 12", done.stdout)
    assert re.search(r"users\s*│ 3\s*│ 3\s*│ 3", done.stdout)
    assert "from scratch" in done.stdout and "markov" in done.stdout


def test_an_option_beats_the_config_file_and_the_file_beats_the_default(chain, tmp_path):
    config = tmp_path / "prepare.yaml"
    config.write_text("split: global-time\nmin_user_events: 3\n")
    files = ("--events", chain.raw / "events.csv.gz", "--items", chain.raw / "items.jsonl.gz")
    out = tmp_path / "data"
    succeed(genrec("prepare", *files, "--out", out, "--config", config, "--min-user-events", 4))
    made = json.loads((out / "manifest.json").read_text())["config"]
    assert (made["split"], made["min_user_events"]) == ("global-time", 4)
