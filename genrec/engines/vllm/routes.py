"""Our routes in vLLM's API server: one request of a client is one answer.

    GET    /genrec                     what is served: hashes of base and table, adapters
    POST   /genrec/items               best items of prompts
    POST   /genrec/scores              scores of given rows after prompts
    POST   /genrec/codes               log-probabilities of the next code after prompts
    POST   /genrec/text                texts of a grammar
    PUT    /genrec/table               another table of the same codebook
    POST   /genrec/adapters            load an adapter
    DELETE /genrec/adapters/{name}     forget one
    POST   /v1/completions             vLLM's own, which would drop filters of a beam search unseen

They speak in tokens and rows. vLLM loads them as an endpoint plugin where ``VLLM_PLUGINS`` names
"genrec", which ``python -m genrec.engines.vllm`` does.
"""

import math
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from vllm.entrypoints.openai.completion.api_router import create_completion
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve.utils.api_utils import validate_json_request, with_cancellation
from vllm.v1.engine.exceptions import EngineDeadError

from genrec.engines.grammar import from_json
from genrec.engines.vllm.adapters import ServerAdapters, UnknownAdapter
from genrec.engines.vllm.masking import CANDIDATES, EXCLUDE, RowFilters
from genrec.engines.vllm.processor import SEARCH_VARIABLE
from genrec.engines.vllm.schemas import (
    Adapter,
    Ask,
    CodesAsk,
    ItemsAsk,
    ScoredRows,
    ScoresAsk,
    SteeredAsk,
    Table,
    TextAsk,
)
from genrec.engines.vllm.search import Search
from genrec.engines.vllm.served import TABLE_VARIABLE, Catalogue, Served, check_table, served_here
from genrec.engines.vllm.table_file import fill_text_vectors, write_table
from genrec.errors import ConfigError, DataError, GenrecError
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import met_if_seen

STATUS = {"stale_table": 409, "unknown_adapter": 404, "unavailable": 503}


class StaleTable(DataError):
    """The client means another version of the table than is served."""


class ItemServing:
    """What the routes share."""

    def __init__(self, engine: Any, models: Any, served: Served) -> None:
        """Gather engine, adapters and table."""
        self._served = served
        self._table_file = Path(os.environ[TABLE_VARIABLE])
        self.adapters = ServerAdapters(models, served.current().base.path)
        self.search = Search(
            engine, os.environ.get(SEARCH_VARIABLE, ""), engine.model_config.max_model_len
        )

    async def warm_up(self) -> None:
        """Answer a first question; vLLM compiles its sampler with it, which takes a while."""
        catalogue = self.catalogue()
        await self.search.items([[catalogue.base.opening]], [RowFilters(catalogue)], 20, 20, None)

    def catalogue(self) -> Catalogue:
        """Return the newest table."""
        return self._served.current()

    def check(self, ask: Ask) -> tuple[Catalogue, Any]:
        """Return the table and the adapter a question is about.

        Raises:
            ConfigError: It is about another base.
            StaleTable: Client and server do not have the same table.
            UnknownAdapter: Not loaded.
        """
        catalogue = self.catalogue()
        self.check_base(ask.base)
        if ask.table != catalogue.table_id:
            raise StaleTable(
                f"table {catalogue.table_id} is served, the question is about {ask.table}; put the "
                "table first"
            )
        return catalogue, self.adapters.request(ask.adapter)

    def check_base(self, content_hash: str) -> None:
        """Check that a client means the served base.

        Raises:
            ConfigError: It means another.
        """
        base = self.catalogue().base
        if content_hash != base.content_hash:
            raise ConfigError(
                f"this server runs base {base.content_hash} ({base.path}), the question is about "
                f"base {content_hash}; start it with --model of the run's own base"
            )

    def put_table(self, table: Table) -> None:
        """Serve another table; every process of the server sees it with its next request.

        Raises:
            DataError: It is of another codebook, or two items share an ID.
        """
        self.check_base(table.base)
        try:
            codes = np.array(table.codes, dtype=np.int32)
        except (ValueError, OverflowError):
            raise DataError("codes must be one row of whole numbers for each item") from None
        base = self.catalogue().base
        put = replace(
            base.table,
            item_ids=table.item_ids,
            codes=codes,
            met=met_if_seen(np.array(table.seen_in_training, dtype=bool)),
            text_vectors=fill_text_vectors(base.table, table.item_ids, table.text_vectors),
        )
        check_table(base, put)
        write_table(self._table_file, put)


class ItemRoutes:
    """vLLM's endpoint plugin."""

    name = "genrec"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        app.include_router(router)
        app.include_router(completions)
        app.add_exception_handler(GenrecError, _answer_error)
        app.add_exception_handler(EngineDeadError, _answer_dead)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Read what is served."""
        served = served_here()
        if served is None or TABLE_VARIABLE not in os.environ:
            raise ConfigError("start the server as python -m genrec.engines.vllm --model BASE")
        state.genrec = ItemServing(engine_client, state.openai_serving_models, served)
        await state.genrec.warm_up()


def _serving(raw_request: Request) -> ItemServing:
    result: ItemServing = raw_request.app.state.genrec
    return result


Serving = Annotated[ItemServing, Depends(_serving)]
router = APIRouter(prefix="/genrec", tags=["genrec"])
completions = APIRouter()


@completions.post(
    "/v1/completions", response_model=None, dependencies=[Depends(validate_json_request)]
)
async def complete(request: CompletionRequest, raw_request: Request) -> Any:
    """Complete as vLLM does, but refuse what it would overlook."""
    if request.use_beam_search and {EXCLUDE, CANDIDATES} & set(request.vllm_xargs or {}):
        raise DataError(
            f"vLLM's beam search passes {EXCLUDE} and {CANDIDATES} on to nobody; ask "
            "POST /genrec/items, or leave use_beam_search out"
        )
    return await create_completion(request, raw_request)


@router.get("")
async def show(serving: Serving) -> dict[str, Any]:
    """Say what is served."""
    catalogue = serving.catalogue()
    return {
        "base": catalogue.base.content_hash,
        "table": catalogue.table_id,
        "items": len(catalogue.table),
        "adapters": serving.adapters.names,
    }


@router.post("/items", response_model=None)
@with_cancellation  # type: ignore[untyped-decorator]
async def find_items(ask: ItemsAsk, raw_request: Request, serving: Serving) -> dict[str, Any]:
    """Return rows and scores of each prompt's best items."""
    catalogue, lora = serving.check(ask)
    row_filters = _filters(ask, catalogue)
    num_beams = max(ask.k, ask.num_beams)
    answers = await serving.search.items(ask.prompts, row_filters, ask.k, num_beams, lora)
    return {
        "rows": [answer.rows for answer in answers],
        "scores": [answer.scores for answer in answers],
    }


@router.post("/scores", response_model=None)
@with_cancellation  # type: ignore[untyped-decorator]
async def score_items(ask: ScoresAsk, raw_request: Request, serving: Serving) -> dict[str, Any]:
    """Return the scores of each prompt's rows; null stands for -inf, which JSON does not have."""
    catalogue, lora = serving.check(ask)
    row_filters = _filters(ask, catalogue)
    if len(ask.rows) != len(ask.prompts):
        raise DataError(f"{len(ask.prompts)} prompts and {len(ask.rows)} rows; give rows for each")
    for rows in ask.rows:
        catalogue.rows(rows, strict=True)
    answers = await serving.search.scores(ask.prompts, row_filters, ask.rows, lora)
    return {
        "scores": [
            [score if math.isfinite(score) else None for score in scores] for scores in answers
        ]
    }


@router.post("/codes", response_model=None)
@with_cancellation  # type: ignore[untyped-decorator]
async def find_codes(ask: CodesAsk, raw_request: Request, serving: Serving) -> dict[str, Any]:
    """Return the codes in use below the prefix and their log-probabilities after each prompt."""
    catalogue, lora = serving.check(ask)
    vocabulary = catalogue.base.vocabulary
    forced = vocabulary.path_of(tuple(ask.prefix))
    log_probs = await serving.search.log_probs(ask.prompts, forced, catalogue, lora)
    tokens = sorted(log_probs[0]) if log_probs else []
    return {
        "codes": vocabulary.codes_at(len(forced), np.array(tokens, dtype=int)).tolist(),
        "log_probs": [[row[token] for token in tokens] for row in log_probs],
    }


@router.post("/text", response_model=None)
@with_cancellation  # type: ignore[untyped-decorator]
async def write_text(ask: TextAsk, raw_request: Request, serving: Serving) -> dict[str, Any]:
    """Return the tokens of each prompt's text."""
    _, lora = serving.check(ask)
    if len(ask.roots) != len(ask.prompts):
        raise DataError(
            f"{len(ask.prompts)} prompts and {len(ask.roots)} grammars; give one for every prompt"
        )
    grammars = from_json(ask.nodes, ask.roots)
    texts = await serving.search.texts(ask.prompts, grammars, ask.max_tokens, lora)
    return {"tokens": texts}


@router.put("/table")
async def put_table(table: Table, serving: Serving) -> dict[str, Any]:
    """Serve another table."""
    serving.put_table(table)
    return {"table": serving.catalogue().table_id}


@router.post("/adapters")
async def load_adapter(adapter: Adapter, serving: Serving) -> dict[str, Any]:
    """Load an adapter."""
    await serving.adapters.load(adapter.name, Path(adapter.path))
    return {"adapters": serving.adapters.names}


@router.delete("/adapters/{name}")
async def drop_adapter(name: str, serving: Serving) -> dict[str, Any]:
    """Forget an adapter."""
    await serving.adapters.drop(name)
    return {"adapters": serving.adapters.names}


def _filters(ask: SteeredAsk, catalogue: Catalogue) -> Sequence[RowFilters]:
    """Return each prompt's filters.

    Raises:
        DataError: There is not one for each prompt, or a row or set does not exist.
    """
    if not len(ask.prompts) == len(ask.exclude) == len(ask.candidates):
        raise DataError(
            f"{len(ask.prompts)} prompts, {len(ask.exclude)} exclude and {len(ask.candidates)} "
            "candidates; give one of each for every prompt"
        )
    for rows in (*ask.exclude, *ask.sets):
        catalogue.rows(rows, strict=True)
    if any(index is not None and not 0 <= index < len(ask.sets) for index in ask.candidates):
        raise DataError(f"candidates holds an index beyond the {len(ask.sets)} sets")
    biases = ask.prefix_bias if ask.prefix_bias is not None else [[] for _ in ask.prompts]
    if len(biases) != len(ask.prompts):
        raise DataError(f"{len(ask.prompts)} prompts, {len(biases)} prefix_bias; give one for each")
    return [
        RowFilters(
            catalogue,
            exclude,
            None if index is None else ask.sets[index],
            {tuple(bias.prefix): bias.strength for bias in prefix_bias},
            matches,
            popularity,
        )
        for exclude, index, prefix_bias, matches, popularity in zip(
            ask.exclude,
            ask.candidates,
            biases,
            _row_scores("matches", ask.matches, len(ask.prompts), catalogue),
            _row_scores("popularity", ask.popularity, len(ask.prompts), catalogue),
            strict=True,
        )
    ]


def _row_scores(
    name: str, told: list[ScoredRows] | None, prompts: int, catalogue: Catalogue
) -> list[RowScores]:
    if told is None:
        return [NOTHING] * prompts
    if len(told) != prompts:
        raise DataError(f"{prompts} prompts, {len(told)} {name}; give one for each")
    for found in told:
        catalogue.rows(found.rows, strict=True)
        if len(found.rows) != len(found.scores):
            raise DataError(f"{name}: {len(found.rows)} rows, {len(found.scores)} scores")
    return [
        RowScores(np.array(found.rows, dtype=np.int64), np.array(found.scores, dtype=np.float32))
        for found in told
    ]


def _code(error: Exception) -> str:
    if isinstance(error, StaleTable):
        return "stale_table"
    if isinstance(error, UnknownAdapter):
        return "unknown_adapter"
    return {"ArtifactError": "artifact", "ConfigError": "config", "DecodeError": "decode"}.get(
        type(error).__name__, "data"
    )


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    code = _code(error)
    body = {"error": {"code": code, "message": str(error)}}
    return JSONResponse(body, STATUS.get(code, 400))


async def _answer_dead(_: Request, error: Exception) -> JSONResponse:
    body = {"error": {"code": "unavailable", "message": "the engine has stopped"}}
    return JSONResponse(body, STATUS["unavailable"], headers={"Retry-After": "10"})
