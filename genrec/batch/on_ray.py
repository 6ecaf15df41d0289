"""The same job on Ray Data: a pool of workers, each with an engine of its own.

Ray starts a worker that died again and gives its shard to another; a shard's part is the same
whoever writes it, so no row is lost or doubled.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from genrec.batch.config import BatchConfig
from genrec.batch.shards import Shard
from genrec.batch.worker import Worker
from genrec.errors import ConfigError


class RayWorker:
    """A ``Worker`` behind the interface of Ray Data."""

    def __init__(self, config: BatchConfig) -> None:
        self._worker = Worker(config)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answer the shards of a batch."""
        rows = zip(*(batch[name].tolist() for name in ("number", "start", "end", "users")))  # noqa: B905
        return {"users": [self._worker.answer(Shard(*row)) for row in rows]}


def answer_on_ray(
    config: BatchConfig, shards: list[Shard], workers: int, address: str | None
) -> Iterator[int]:
    """Yield the number of users of each shard as it is finished.

    Raises:
        ConfigError: Ray is not installed, or the cluster does not answer.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--ray needs Ray: pip install 'genrec[ray]'")
    import ray
    import ray.data

    try:
        ray.init(
            address=address,
            include_dashboard=False if address is None else None,
            ignore_reinit_error=True,
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no Ray at {address}: {str(error).splitlines()[0]}") from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    asked = ray.data.from_items(
        [asdict(shard) for shard in shards], override_num_blocks=len(shards)
    )
    answered = asked.map_batches(
        RayWorker,
        fn_constructor_args=(config,),
        batch_size=1,
        num_cpus=1,
        num_gpus=1 if config.device == "cuda" else 0,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    for row in answered.iter_rows():
        yield int(row["users"])
