"""Every setting of the gateway: environment variables ``GENREC_*``, read once at start.

``docs/serve.md`` holds the same list for people; a test keeps the two equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from genrec.devices import Arithmetic
from genrec.errors import ConfigError
from genrec.rules.answering import MAX_BEAMS

ENV_PREFIX = "GENREC_"


class Settings(BaseSettings):
    """Settings of one gateway; the field ``num_beams`` is the variable ``GENREC_NUM_BEAMS``."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    run: Path = Field(Path("runs/demo/sft"), description="The trained run or model to serve.")
    histories: Path | None = Field(
        None, description="Prepared data to know users from; unset: what the run was trained on."
    )
    vllm: str | None = Field(
        None, description="URL of a vLLM server that runs the model; unset: torch in this process."
    )
    device: str | None = Field(
        None, description="Of the torch engine: cpu or cuda; unset: a GPU where there is one."
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of the torch engine; unset: PyTorch's choice."
    )
    arithmetic: Arithmetic = Field(
        "auto",
        description="In what precision the model computes: float32, bfloat16, model (that of its "
        "weights), rescored, auto; our vLLM server reads it too, and has no rescored.",
    )
    zero_shot: str | None = Field(
        None,
        description="Ask a stock chat model instead of the run: URL (OpenAI-compatible), folder or "
        "name; unset: the run.",
    )
    zero_shot_data: Path | None = Field(None, description="Of zero-shot: prepared data.")
    zero_shot_index: Path | None = Field(
        None, description="Of zero-shot: ID table of the data; unset: made at start."
    )
    zero_shot_model: str | None = Field(
        None, description="What the zero-shot server calls the model; unset: the first it serves."
    )
    zero_shot_config: Path | None = Field(
        None, description="YAML file of `ZeroShotConfig`; unset: its defaults."
    )
    talk: str | None = Field(
        None,
        description="URL (OpenAI-compatible) of a chat model that introduces answers of /v1/chat; "
        "unset: none does.",
    )
    talk_model: str | None = Field(
        None, description="What that server calls the model; unset: the first it serves."
    )
    talk_key: SecretStr = Field(
        SecretStr(""), description="Key for that server; unset: the variable OPENAI_API_KEY."
    )
    talk_timeout_s: float = Field(
        5, gt=0, description="Longest wait for an introduction; then there is none."
    )
    min_evidence: int = Field(
        2, ge=1, description="Fewest events that an interest of a summary rests on."
    )
    num_beams: int = Field(
        50,
        ge=1,
        le=MAX_BEAMS,
        description="Width of the search; with a SASRec head 32 find almost always the same, in "
        "three quarters of the time.",
    )
    session_cache_mb: int = Field(
        256,
        ge=0,
        description="MiB for what the torch engine read of users, so that one who returns costs "
        "only what is new; 0: nothing is kept.",
    )
    adapters_dir: Path | None = Field(
        None,
        description="Adapters must lie below this folder; unset: the one the run lies in.",
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0: a free one.")
    workers: int = Field(
        1, ge=1, le=256, description="Processes that answer, each with an engine of its own."
    )
    store: SecretStr = Field(
        SecretStr("sqlite:///runs/serve/store.db"),
        description="Where events are kept: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DB.",
    )

    api_keys: SecretStr = Field(
        SecretStr(""), description="Hashed keys, NAME:HASH, comma-separated; unset: no key needed."
    )
    api_keys_file: Path | None = Field(
        None, description="File of hashed keys, one NAME:HASH a line; added to the above."
    )
    rate_limit_per_s: float = Field(
        200, ge=0, description="Requests a second of one key (or address, without keys); 0: any."
    )
    rate_limit_burst: int = Field(400, ge=1, description="Requests a key may send at once.")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the API, comma-separated; unset: none."
    )

    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest request body.")
    max_events: int = Field(1000, ge=1, description="Most events in one request.")
    max_items: int = Field(200, ge=1, description="Most new items in one request.")
    max_filter_items: int = Field(
        10_000, ge=1, description="Most item IDs in `exclude` and in `candidates`."
    )
    max_k: int = Field(500, ge=1, description="Most items one request may ask for.")
    max_history_events: int = Field(
        1000, ge=1, description="Newest events of a user that are read; older items stay excluded."
    )
    clock_skew_s: int = Field(
        300, ge=0, description="How far ahead of this machine's clock an event may lie."
    )
    attribution_s: int = Field(
        86_400, ge=0, description="How long after a page an event follows it without naming it."
    )
    impression_days: int = Field(
        90, ge=0, description="Days for which it is kept what was shown; 0: for ever."
    )
    event_days: int = Field(
        0, ge=0, description="Days for which events and searches are kept; 0: for ever."
    )

    live_counts_s: float = Field(
        1,
        ge=0,
        description="How often transition counts and recent popularity take in live events; "
        "0: never.",
    )
    online_metrics_s: int = Field(
        300, ge=0, description="How often online metrics are counted anew; 0: never."
    )
    conversion_events: Annotated[tuple[str, ...], NoDecode] = Field(
        ("purchase",),
        description="Types of events that count as a conversion, comma-separated.",
    )

    batch_size: int = Field(32, ge=1, description="Most requests the engine answers at once.")
    batch_wait_ms: float = Field(
        2, ge=0, le=1000, description="How long a free engine waits for company of a request."
    )
    vllm_batches: int = Field(4, ge=1, description="Batches at the vLLM server at the same time.")
    queue_size: int = Field(
        256, ge=1, description="Requests that may wait for the engine; more are answered 503."
    )
    timeout_s: float = Field(30, gt=0, description="Longest wait for the engine; then 503.")
    retry_after_s: int = Field(2, ge=1, description="What `Retry-After` says in a 503.")

    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("cors_origins", "conversion_events", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        *("vllm", "device", "histories", "adapters_dir", "api_keys_file", "threads", "zero_shot"),
        *("zero_shot_data", "zero_shot_index", "zero_shot_model", "zero_shot_config"),
        *("talk", "talk_model"),
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        # A compose file passes an unset variable on as an empty one.
        return None if value == "" else value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("choose debug, info, warning or error")
        return value.lower()


def read_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment.

    Args:
        overrides: Values from the command line; None leaves the environment's.

    Raises:
        ConfigError: A value cannot be used; the message names the variable, not the value, which
            may be a secret.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = "; ".join(
            f"{ENV_PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(f"{faults}; docs/serve.md lists the settings") from None
