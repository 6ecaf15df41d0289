"""The engine behind a URL: asks a ``python -m genrec.engines.vllm`` over HTTP. Needs no vLLM.

The server may be stopped and started again at any time: while it is away every question is an
``EngineUnavailable``, and what it forgot, the grown table and the adapters, is given to it again
with the first question after.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from genrec.artifacts import read_manifest
from genrec.engines.adapters import check_idle, check_loaded, check_new
from genrec.engines.base import Counted, FoundItems, ItemQuery
from genrec.engines.by_settings import by_settings
from genrec.engines.grammar import Grammar, to_json
from genrec.engines.vllm.table_file import other_text_vectors, table_id
from genrec.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DecodeError,
    EngineUnavailable,
    GenrecError,
)
from genrec.model.adapter_head import ITEMS_FILE
from genrec.model.load import LoadedRun, base_of
from genrec.model.lora import check_adapter
from genrec.schema import ModelSettings, SemanticId
from genrec.semantic_ids.row_scores import RowScores
from genrec.semantic_ids.table import SemanticIdTable

PROMPTS_AT_ONCE = 256
"""Prompts of one HTTP request."""

AWAY = (502, 503, 504)
ERRORS: dict[str, type[GenrecError]] = {
    "artifact": ArtifactError,
    "config": ConfigError,
    "data": DataError,
    "decode": DecodeError,
}


class VllmEngine:
    """Runs a model in a vLLM server; may be asked from several threads at once."""

    def __init__(
        self, url: str, run: LoadedRun, num_beams: int = 50, timeout_s: float = 60.0
    ) -> None:
        """Connect.

        Args:
            url: Of a ``python -m genrec.engines.vllm`` that serves the run's base.
            run: Holds table, vocabulary and tokenizer; its model is not used.
            num_beams: Beams kept at every level; at least the ``k`` asked for is used.
            timeout_s: Longest wait for an answer.

        Raises:
            ConfigError: The server runs another base.
            EngineUnavailable: Nothing answers.
        """
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout_s)
        weakref.finalize(self, self._http.close)
        self._url, self._num_beams = url, num_beams
        self._base_path = base_of(run.path)
        self._base = read_manifest(self._base_path).content_hash
        self._loaded: dict[str, _Adapter] = {}
        self._in_use: str | None = None
        self._changing = threading.Lock()
        self._trained_on = run.table
        self._table, self._table_id = run.table, table_id(run.table)
        served = self._send("GET", "/genrec")
        if served["base"] != self._base:
            raise ConfigError(
                f"{url} serves base {served['base']}, {run.path} needs {self._base}; start the "
                f"server with --model {self._base_path}"
            )

    @property
    def adapters(self) -> list[str]:
        """See ``Engine``."""
        return list(self._loaded)

    @property
    def adapter(self) -> str | None:
        """See ``Engine``."""
        return self._in_use

    @property
    def prefix_cache(self) -> None:
        """See ``Engine``; the server has its own, which it shares among all its clients."""
        return None

    @property
    def counted(self) -> list[Counted]:
        """See ``Engine``; the head runs in the server."""
        return []

    def check_model(self, settings: ModelSettings) -> None:
        """See ``Engine.check_model``; the server's head is weighed as the server was started."""
        if settings.adapter is not None:
            check_loaded(settings.adapter, self._loaded)
        if settings.sasrec_weight is not None:
            raise ConfigError(
                "sasrec_weight: a vLLM server weighs its SASRec head as it was started; leave it "
                "out, or serve the run in this process"
            )

    def load_adapter(self, name: str, path: Path) -> None:
        """See ``Engine.load_adapter``; the path must be the same on the server's machine."""
        check_new(name, self._loaded)
        content_hash = check_adapter(path, self._base_path).content_hash
        if (Path(path) / ITEMS_FILE).exists():
            raise ConfigError(
                f"{path} brings a SASRec head of its own, and a vLLM server runs that of its base: "
                "serve it in this process, or train a base with the new head"
            )
        adapter = _Adapter(Path(path).resolve(), f"{name[:47]}-{content_hash}")
        self._give_adapter(adapter)
        self._loaded[name] = adapter

    def use_adapter(self, name: str | None) -> None:
        """See ``Engine.use_adapter``."""
        if name is not None:
            check_loaded(name, self._loaded)
        self._in_use = name

    def drop_adapter(self, name: str) -> None:
        """See ``Engine.drop_adapter``."""
        check_idle(name, self._loaded, self._in_use)
        served_name = self._loaded.pop(name).served_name
        self._send("DELETE", f"/genrec/adapters/{served_name}", missing_is_fine=True)

    def replace_table(self, table: SemanticIdTable) -> None:
        """See ``Engine.replace_table``."""
        self._give_table(table)
        self._table, self._table_id = table, table_id(table)

    def items(self, queries: Sequence[ItemQuery], k: int) -> list[FoundItems]:
        """See ``Engine.items``."""
        return by_settings(partial(self._items, k), queries)

    def _items(
        self, k: int, settings: ModelSettings, queries: Sequence[ItemQuery]
    ) -> list[FoundItems]:
        self.check_model(settings)
        found: list[FoundItems] = []
        for start in range(0, len(queries), PROMPTS_AT_ONCE):
            batch = queries[start : start + PROMPTS_AT_ONCE]
            answer = self._ask(
                "/genrec/items",
                [query.prompt for query in batch],
                settings.adapter,
                k=k,
                num_beams=settings.num_beams or self._num_beams,
                **_steering(batch),
            )
            found += [
                FoundItems(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float32))
                for rows, scores in zip(answer["rows"], answer["scores"], strict=True)
            ]
        return found

    def item_scores(
        self, queries: Sequence[ItemQuery], rows: Sequence[Sequence[int]]
    ) -> list[np.ndarray]:
        """See ``Engine.item_scores``; the server's prefix cache shares what prompts begin with."""
        return by_settings(self._item_scores, queries, rows)

    def _item_scores(
        self,
        settings: ModelSettings,
        queries: Sequence[ItemQuery],
        rows: Sequence[Sequence[int]],
    ) -> list[np.ndarray]:
        self.check_model(settings)
        scores: list[np.ndarray] = []
        for start in range(0, len(queries), PROMPTS_AT_ONCE):
            batch = queries[start : start + PROMPTS_AT_ONCE]
            answer = self._ask(
                "/genrec/scores",
                [query.prompt for query in batch],
                settings.adapter,
                rows=[list(map(int, wanted)) for wanted in rows[start : start + len(batch)]],
                **_steering(batch),
            )
            scores += [
                np.array([-np.inf if score is None else score for score in row], dtype=np.float32)
                for row in answer["scores"]
            ]
        return scores

    def text(
        self,
        prompts: Sequence[Sequence[int]],
        grammars: Sequence[Grammar],
        max_tokens: int,
        owners: Sequence[str] = (),
    ) -> list[list[int]]:
        """See ``Engine.text``."""
        written: list[list[int]] = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            end = start + PROMPTS_AT_ONCE
            sent = to_json(grammars[start:end])
            answer = self._ask("/genrec/text", prompts[start:end], **sent, max_tokens=max_tokens)
            written += answer["tokens"]
        return written

    def code_log_probs(
        self,
        prompts: Sequence[Sequence[int]],
        prefix: SemanticId = (),
        owners: Sequence[str] = (),
    ) -> np.ndarray:
        """See ``Engine.code_log_probs``; vLLM's prefix cache reads nested prompts once."""
        rows = np.full((len(prompts), self._table.codebook_size), -np.inf, dtype=np.float32)
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            batch = prompts[start : start + PROMPTS_AT_ONCE]
            answer = self._ask("/genrec/codes", batch, prefix=list(map(int, prefix)))
            rows[start : start + len(batch), answer["codes"]] = answer["log_probs"]
        return rows

    def _ask(
        self,
        path: str,
        prompts: Sequence[Sequence[int]],
        wanted: str | None = None,
        **question: Any,
    ) -> Any:
        """Ask; where the server was started anew, give it table and adapter and ask again.

        Args:
            path: Of the server.
            prompts: Tokens.
            wanted: A loaded adapter; None: the one in use.
            question: Other fields of the body.
        """
        body = {**question, "prompts": [list(map(int, prompt)) for prompt in prompts]}
        for _ in range(3):
            table, name = self._table, wanted or self._in_use
            adapter = None if name is None else self._loaded[name]
            served_name = None if adapter is None else adapter.served_name
            about = {"base": self._base, "table": self._table_id, "adapter": served_name}
            try:
                return self._send("POST", path, {**body, **about})
            except _Forgotten as forgotten:
                if forgotten.what == "stale_table":
                    self._give_table(table)
                elif adapter is not None:
                    self._give_adapter(adapter)
        raise EngineUnavailable(
            f"{self._url} keeps being given another table or losing its adapter; does another "
            "client with other items use it?"
        )

    def _give_table(self, table: SemanticIdTable) -> None:
        body = {
            "base": self._base,
            "item_ids": table.item_ids,
            "codes": table.codes.tolist(),
            "seen_in_training": table.seen_in_training.tolist(),
            "text_vectors": other_text_vectors(self._trained_on, table),
        }
        with self._changing:
            self._send("PUT", "/genrec/table", body)

    def _give_adapter(self, adapter: _Adapter) -> None:
        body = {"name": adapter.served_name, "path": str(adapter.path)}
        with self._changing:
            self._send("POST", "/genrec/adapters", body)

    def _send(self, method: str, path: str, body: Any = None, missing_is_fine: bool = False) -> Any:
        try:
            answer = self._http.request(method, path, json=body)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise EngineUnavailable(
                f"{self._url} does not answer ({type(error).__name__}: {error}); is "
                "python -m genrec.engines.vllm running there?"
            ) from None
        if answer.is_success:
            return answer.json()
        fault = _error_of(answer)
        code, message = fault.get("code"), f"{self._url}: {fault.get('message')}"
        if answer.status_code in AWAY:
            raise EngineUnavailable(message)
        if code == "unknown_adapter" and missing_is_fine:
            return None
        if code in ("stale_table", "unknown_adapter"):
            raise _Forgotten(code)
        if code in ERRORS:
            raise ERRORS[code](message)
        if answer.status_code >= 500:
            raise EngineUnavailable(f"{message} (HTTP {answer.status_code})")
        raise ConfigError(
            f"{message} (HTTP {answer.status_code}); is it our server of this version?"
        )


@dataclass(frozen=True)
class _Adapter:
    """An adapter given to the server.

    Attributes:
        path: Its folder.
        served_name: What it is called there; with its hash, since a server may have other clients.
    """

    path: Path
    served_name: str


class _Forgotten(Exception):
    """The server does not have the client's table or adapter."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def _steering(batch: Sequence[ItemQuery]) -> dict[str, Any]:
    """Return the filters and biases of queries as the server takes them."""
    sets = {
        id(query.candidates): query.candidates for query in batch if query.candidates is not None
    }
    index_of = {identity: index for index, identity in enumerate(sets)}
    return {
        "exclude": [np.asarray(query.exclude, dtype=int).tolist() for query in batch],
        "candidates": [index_of.get(id(query.candidates)) for query in batch],
        "sets": [np.asarray(rows).tolist() for rows in sets.values()],
        "prefix_bias": [
            [
                {"prefix": list(map(int, prefix)), "strength": float(strength)}
                for prefix, strength in query.prefix_bias.items()
            ]
            for query in batch
        ],
        "matches": [_scored_rows(query.matches) for query in batch],
        "popularity": [_scored_rows(query.popularity) for query in batch],
    }


def _scored_rows(found: RowScores) -> dict[str, Any]:
    return {"rows": found.rows.tolist(), "scores": found.scores.tolist()}


def _error_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = None
    return error if isinstance(error, dict) else {"message": answer.text[:200]}
