"""Whole user bases: against single answers, cut off at any moment, with users nobody knows."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from genrec.batch.config import BatchConfig
from genrec.batch.job import recommend_all
from genrec.batch.parts import REJECTS, Parts
from genrec.batch.shards import cut_shards, read_shard, read_users_file
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError
from genrec.frames.answers import RECOMMENDATIONS
from genrec.recommender import Recommender
from genrec.schema import Request
from tests.conftest import ROOT, genrec, succeed

pytestmark = pytest.mark.services
K = 5
SHARD_USERS = 20


@pytest.fixture(scope="module")
def data(chain):
    return Dataset.load(chain.data)


@pytest.fixture(scope="module")
def config(chain):
    return BatchConfig(str(chain.pretrain), "", k=K, num_beams=20, device="cpu",
                       shard_users=SHARD_USERS)  # fmt: skip


def with_out(config: BatchConfig, out: Path, **changes) -> BatchConfig:
    return BatchConfig(**{**config.__dict__, "out": str(out), **changes})


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "recs.parquet"
    report = recommend_all(with_out(config, out))
    assert report.rows == pq.read_metadata(out).num_rows and report.rejects == 0
    return out


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_shards_hold_everybody_once_with_all_they_searched_for(toy_data, size):
    whole = list(toy_data.histories("test"))
    assert any(history.searches for history in whole)
    shards, unknown = cut_shards(toy_data, size, None)
    found = [history for shard in shards for history in read_shard(toy_data, shard, None)]
    assert found == whole and not unknown
    assert all(shard.users <= size for shard in shards)


def test_shards_of_some(data):
    wanted = frozenset(history.user_id for history in list(data.histories("test"))[3::4])
    shards, unknown = cut_shards(data, 5, wanted | {"nobody"})
    found = [history.user_id for shard in shards for history in read_shard(data, shard, wanted)]
    assert set(found) == wanted and len(found) == len(wanted) and unknown == {"nobody"}


def test_it_says_what_single_answers_say(chain, data, undisturbed):
    recommender = Recommender.from_pretrained(chain.pretrain, "cpu", num_beams=20)
    rows = pq.read_table(undisturbed).to_pylist()
    by_user: dict[str, list[dict]] = {}
    for row in rows:
        by_user.setdefault(row["user_id"], []).append(row)
    histories = list(data.histories("test"))
    assert list(by_user) == [history.user_id for history in histories]
    for history in histories[::29]:
        found = recommender.rank_many([Request(history)], K)[0]
        assert [(row["item_id"], row["rank"]) for row in by_user[history.user_id]] == [
            (item.item_id, item.rank) for item in found
        ]
        assert [row["score"] for row in by_user[history.user_id]] == pytest.approx(
            [item.score for item in found], abs=1e-4
        )


def start(chain, out: Path, *more: object) -> subprocess.Popen:
    command = [
        *(sys.executable, "-m", "genrec.cli", "recommend", "--run", chain.pretrain),
        *("--users", "all", "--out", out, "-k", K, "--num-beams", 20, "--device", "cpu"),
        *("--shard-users", SHARD_USERS, *more),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(chain, undisturbed, tmp_path):
    out, chance, kills = tmp_path / "recs.parquet", random.Random(3), 0
    folder = Path(f"{out}.parts")
    for wanted in sorted(chance.sample(range(1, 7), 3)):
        process = start(chain, out)
        while process.poll() is None and len(list(folder.glob("part-*[0-9].parquet"))) < wanted:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.2)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    process = start(chain, out)
    told = process.communicate()[1]
    assert process.returncode == 0 and "of an earlier start kept" in told, told
    assert out.read_bytes() == undisturbed.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "recs.parquet", "recs.rejects.parquet",
    ]  # fmt: skip


def test_unknown_users_are_rejects_and_no_stop(chain, data, undisturbed, tmp_path):
    known = [history.user_id for history in data.histories("test")][5:8]
    (tmp_path / "users.txt").write_text("\n".join(["nobody", *known, "", known[0], "Nobody"]))
    done = succeed(genrec("recommend", "--run", chain.pretrain, "--users", tmp_path / "users.txt",
                          "--out", tmp_path / "recs.parquet", "-k", K, "--num-beams", 20,
                          "--device", "cpu"))  # fmt: skip
    assert "15 rows for 3 users" in done.stderr and "2 users have no answer" in done.stderr
    rows = pq.read_table(tmp_path / "recs.parquet").to_pylist()
    whole = pq.read_table(undisturbed).to_pylist()
    expected = [(row["user_id"], row["item_id"]) for row in whole if row["user_id"] in known]
    assert [(row["user_id"], row["item_id"]) for row in rows] == expected
    rejects = pq.read_table(tmp_path / "recs.rejects.parquet").to_pylist()
    assert [row["user_id"] for row in rejects] == ["Nobody", "nobody"]
    assert all("not in the prepared data" in row["reason"] for row in rejects)


def test_more_items_than_there_are_give_each_user_what_is_left(config, data, tmp_path):
    history = next(data.histories("test"))
    (tmp_path / "users.txt").write_text(history.user_id)
    job = with_out(config, tmp_path / "recs.parquet", users=str(tmp_path / "users.txt"), k=10_000)
    left = len(data.items) - len({event.item_id for event in history.events})
    assert recommend_all(job).rows == left
    with pytest.raises(DataError, match="k=0"):
        recommend_all(with_out(job, tmp_path / "none.parquet", k=0))


def test_events_of_items_without_an_id_are_passed_over_and_told(chain, config, data, tmp_path):
    events = pq.read_table(data.path / "events.parquet")
    users, items = (events.column(name).to_pylist() for name in ("user_id", "item_id"))
    one_event, all_events = users[0], next(user for user in users if user != users[0])
    items[0] = "unheard-of"
    items = [
        "unknown" if user == all_events else item for user, item in zip(users, items, strict=True)
    ]
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("items.parquet", "manifest.json", "report.json"):
        (folder / name).write_bytes((data.path / name).read_bytes())
    pq.write_table(events.set_column(1, "item_id", pa.array(items)), folder / "events.parquet")
    out = tmp_path / "recs.parquet"
    report = recommend_all(with_out(config, out, histories=str(folder), k=2))
    assert report.rejects == 2
    part, whole = pq.read_table(report.rejects_path).to_pylist()
    assert part["user_id"] == one_event and whole["user_id"] == all_events
    count = users.count(one_event)
    assert part["reason"] == (
        f"1 of {count} events are of items without a semantic ID, such as 'unheard-of': "
        "answered from the rest"
    )
    assert whole["reason"].endswith("such as 'unknown': none is left")
    answers = pq.read_table(out).to_pylist()
    assert all_events not in {row["user_id"] for row in answers}
    history = next(each for each in data.histories("test") if each.user_id == one_event)
    recommender = Recommender.from_pretrained(chain.pretrain, "cpu", num_beams=20)
    found = recommender.rank_many([Request(history.without([0]))], 2)[0]
    assert [row["item_id"] for row in answers if row["user_id"] == one_event] == [
        item.item_id for item in found
    ]


def test_another_job_at_the_same_output_is_refused(config, undisturbed, tmp_path):
    out = tmp_path / "recs.parquet"
    folder = Path(f"{out}.parts")
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"k": 3}))
    with pytest.raises(ConfigError, match="unfinished job with other settings"):
        recommend_all(with_out(config, out))
    assert not out.exists()


class Killed(Exception):
    pass


class KilledInTidyingUp(fs.LocalFileSystem):
    """A filesystem whose process is killed when it has removed half of a folder."""

    def delete_dir(self, path):
        for part in sorted(Path(path).glob("*.rejects.parquet"))[:2]:
            part.unlink()
        raise Killed


@pytest.mark.parametrize("k", [5, 10])
def test_a_job_that_was_killed_when_it_tidied_up_has_ended(tmp_path, k):
    rows = pa.table({name: [] for name in RECOMMENDATIONS.names}, schema=RECOMMENDATIONS)
    rejects = pa.table({name: [] for name in REJECTS.names}, schema=REJECTS)
    parts = Parts(str(tmp_path / "recs.parquet"))
    parts.open({"k": 5})
    for number in range(3):
        parts.write(number, rows, rejects)
    parts._files = KilledInTidyingUp()
    with pytest.raises(Killed):
        parts.join(3, rejects)
    assert (tmp_path / "recs.parquet").exists()
    again = Parts(str(tmp_path / "recs.parquet"))
    again.open({"k": k})
    assert not any(again.has(number) for number in range(3))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "no file"),
        ("empty.txt", b"", "names no user"),
        ("other.csv", b"name\nx\n", "cannot be read"),
        ("broken.parquet", b"PAR1 no", "cannot be read"),
        ("latin.txt", b"\xff\xfe\xff", "cannot be read"),
    ],
)
def test_a_file_of_users_that_cannot_be_used(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_users_file(tmp_path / name)


def test_files_of_users_in_each_form(tmp_path):
    ids = ["a", "b", "7"]
    (tmp_path / "users.txt").write_text("\n".join(ids) + "\n")
    (tmp_path / "users.csv").write_text("x,user_id\n" + "".join(f"1,{each}\n" for each in ids))
    pq.write_table(pa.table({"user_id": ids}), tmp_path / "users.parquet")
    (tmp_path / "windows.txt").write_bytes("\ufeffa\r\nb \r\n 7\r\n".encode())
    for name in ("users.txt", "users.csv", "users.parquet", "windows.txt"):
        assert read_users_file(tmp_path / name) == frozenset(ids)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--users", "all"],
        ["--users", "all", "--user", "u", "--out", "x.parquet"],
        [],
        ["--users", "all", "--out", "x.parquet", "--at", "2020-01-01"],
        ["--users", "all", "--out", "nowhere://x/y.parquet"],
        ["--users", "all", "--out", "."],
        ["--users", "all", "--out", "x.parquet", "--provenance"],
        ["--users", "all", "--out", "x.parquet", "--new-item-boost", "1"],
        ["--user", "ada-001", "--out", "x.parquet"],
        ["--user", "ada-001", "--vllm", "http://127.0.0.1:9"],
        ["--user", "ada-001", "--data", "."],
    ],
)
def test_what_does_not_go_together_is_one_clear_line(chain, arguments):
    done = genrec("recommend", "--run", chain.pretrain, *arguments)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
