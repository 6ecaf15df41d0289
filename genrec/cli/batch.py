"""The part of ``genrec recommend`` that answers whole user bases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrec.errors import ConfigError
from genrec.progress import console

Users = Annotated[
    str | None,
    typer.Option(help="Many users instead of one: 'all', or a file of IDs (Parquet, CSV, text)."),
]
Out = Annotated[
    str | None, typer.Option(help="With --users: Parquet file to write, a path or a URL.")
]
OnRay = Annotated[
    int | None,
    typer.Option("--ray", min=1, help="With --users: so many engines on Ray, one a worker."),
]
RayAddress = Annotated[
    str | None, typer.Option(help="With --ray: a running cluster; default: this machine.")
]
Vllm = Annotated[str | None, typer.Option(help="URL of a vLLM server that runs the model.")]
ShardUsers = Annotated[
    int, typer.Option(min=1, help="With --users: users written at once; what a kill costs at most.")
]


def recommend_many(
    run: Path | None,
    users: str,
    out: str | None,
    histories: Path | None,
    k: int,
    filter_seen: bool,
    num_beams: int,
    device: str | None,
    vllm: str | None,
    ray: int | None,
    ray_address: str | None,
    shard_users: int,
) -> None:
    """Run a batch job and say what it did.

    Raises:
        ConfigError: No run or no output is given.
    """
    if run is None or out is None:
        raise ConfigError("--users needs a run (--run DIR) and an output (--out recs.parquet)")
    from genrec.batch.config import BatchConfig
    from genrec.batch.job import recommend_all

    config = BatchConfig(
        run=str(run),
        out=out,
        histories=None if histories is None else str(histories),
        users=None if users == "all" else users,
        k=k,
        filter_seen=filter_seen,
        num_beams=num_beams,
        device=device,
        vllm=vllm,
        shard_users=shard_users,
    )
    report = recommend_all(config, ray, ray_address)
    resumed = f", {report.resumed} shards of an earlier start kept" if report.resumed else ""
    console.print(
        f"wrote {report.rows:,} rows for {report.users:,} users to {out}{resumed}; "
        f"{report.rejects:,} users have no answer, or one from a part of their events: see "
        f"{report.rejects_path}",
        soft_wrap=True,
        highlight=False,
    )
