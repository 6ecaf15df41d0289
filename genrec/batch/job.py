"""Runs a batch job: shard after shard here, or on Ray; killed and started again, it goes on.

Every shard is answered in batches that follow from the shard alone, so the rows do not depend on
how often the job was killed or on how many workers it had.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from genrec.arguments import check_count
from genrec.artifacts import hash_files, read_manifest
from genrec.batch.config import BatchConfig
from genrec.batch.parts import REJECTS, Parts
from genrec.batch.shards import Shard, cut_shards, read_users_file
from genrec.batch.worker import Worker, make_table
from genrec.data import Dataset
from genrec.pretrained.hub import find_model
from genrec.progress import progress

UNKNOWN = "not in the prepared data"


@dataclass(frozen=True)
class BatchReport:
    """What a job did.

    Attributes:
        users: Asked about and known.
        rows: Written.
        rejects: Rows of the file of rejects: users who have no answer, or one from a part of their
            events, with the reason.
        rejects_path: That file.
        resumed: Shards that an earlier start had finished.
    """

    users: int
    rows: int
    rejects: int
    rejects_path: str
    resumed: int


def recommend_all(
    config: BatchConfig, ray_workers: int | None = None, ray_address: str | None = None
) -> BatchReport:
    """Recommend to every user that is asked about, and write one Parquet file.

    Args:
        config: What to do.
        ray_workers: Engines on Ray; None: one in this process.
        ray_address: Of a running cluster; None: Ray on this machine.

    Raises:
        ArtifactError: The model or the data are missing or damaged.
        ConfigError: Another job was cut off at the same output, or Ray is not installed.
        DataError: The file of users cannot be read, or there are no events.
    """
    check_count(config.k, "k")
    check_count(config.shard_users, "shard_users")
    run = find_model(config.run)
    data = Dataset.load(config.histories or _data_of(run))
    wanted = None if config.users is None else read_users_file(config.users)
    parts = Parts(config.out)
    shards, unknown = cut_shards(data, config.shard_users, wanted)
    parts.open(_identity(config, run, data))
    open_shards = [shard for shard in shards if not parts.has(shard.number)]
    total = sum(shard.users for shard in shards)
    done = total - sum(shard.users for shard in open_shards)
    with progress() as bar:
        task = bar.add_task("users", total=total, completed=done, note="")
        for users in _answers(config, open_shards, ray_workers, ray_address):
            bar.advance(task, users)
    rows, rejects = parts.join(
        len(shards), make_table([(user_id, UNKNOWN) for user_id in sorted(unknown)], REJECTS)
    )
    return BatchReport(total, rows, rejects, parts.rejects, len(shards) - len(open_shards))


def _answers(
    config: BatchConfig, shards: list[Shard], ray_workers: int | None, ray_address: str | None
) -> Iterable[int]:
    if not shards:
        return []
    if ray_workers is None:
        worker = Worker(config)
        return (worker.answer(shard) for shard in shards)
    from genrec.batch.on_ray import answer_on_ray

    return answer_on_ray(config, shards, ray_workers, ray_address)


def _data_of(run: Path) -> Path:
    from genrec.model.load import describe_run

    return describe_run(run).histories


def _identity(config: BatchConfig, run: Path, data: Dataset) -> dict[str, object]:
    """Return what must be the same for parts of an earlier start to count."""
    users = None if config.users is None else hash_files([Path(config.users)])
    settings = {
        name: value
        for name, value in asdict(config).items()
        if name in ("k", "filter_seen", "num_beams", "shard_users")
    }
    hashes = {
        "run": read_manifest(run).content_hash,
        "data": data.manifest.content_hash,
        "users": users,
    }
    return {**settings, **hashes}
