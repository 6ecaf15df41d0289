"""What a batch job is told; plain values, so that it travels to other machines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchConfig:
    """One job.

    Attributes:
        run: The model: a folder, or a name on the Hugging Face Hub.
        out: Parquet file to write: a path, or a URL such as s3://bucket/recs.parquet.
        histories: Prepared data; None: what the run was trained on.
        users: File of user IDs; None: everybody in the data.
        k: Items for each user; fewer where filters leave fewer.
        filter_seen: Whether to leave out the items of the history.
        num_beams: Width of the search.
        device: Such as "cpu" or "cuda"; None takes a GPU where there is one.
        vllm: URL of a vLLM server that runs the model; None: torch in each process.
        shard_users: Users that are answered and written at once; what a kill costs at most.
    """

    run: str
    out: str
    histories: str | None = None
    users: str | None = None
    k: int = 10
    filter_seen: bool = True
    num_beams: int = 50
    device: str | None = None
    vllm: str | None = None
    shard_users: int = 1024
