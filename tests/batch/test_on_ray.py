"""The same job on a real Ray on this machine."""

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from genrec.batch.config import BatchConfig
from genrec.batch.job import recommend_all

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def local_ray():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def kill_one_worker(folder: Path, killed: list[int]) -> None:
    """Wait until parts appear, then kill a process that holds an engine."""
    while len(list(folder.glob("part-*[0-9].parquet"))) < 2:
        time.sleep(0.05)
    for process in psutil.process_iter(["cmdline"]):
        if "RayWorker" in " ".join(process.info["cmdline"] or ()) or "MapWorker" in " ".join(
            process.info["cmdline"] or ()
        ):
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)
            return


def test_a_worker_killed_in_the_middle_costs_no_row(chain, local_ray, tmp_path):
    config = BatchConfig(str(chain.pretrain), str(tmp_path / "here.parquet"), k=5, num_beams=20,
                         device="cpu", shard_users=5)  # fmt: skip
    recommend_all(config)
    out, killed = tmp_path / "ray.parquet", []
    watch = threading.Thread(
        target=kill_one_worker, args=(Path(f"{out}.parts"), killed), daemon=True
    )
    watch.start()
    report = recommend_all(BatchConfig(**{**config.__dict__, "out": str(out)}), ray_workers=2)
    watch.join(5)
    assert killed, "no worker was found to kill"
    here, there = (pq.read_table(path) for path in (tmp_path / "here.parquet", out))
    assert there.equals(here) and report.rows == len(here)
