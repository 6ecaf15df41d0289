"""The plugin: vLLM loads it into every server, and it keeps items to those that exist.

It does nothing for models that are no genrec base, and nothing to sequences that do not stand
where an item is written. The place in the trie is read from the end of prompt and output, so it
needs no state of its own: vLLM's beam search sends one-token requests again and again.

One class serves both of vLLM 0.32's model runners, since an entry point can name only one:

    V1 (CPU; CUDA with VLLM_USE_V2_MODEL_RUNNER=0)   rows are requests; batch updates move them
    V2 (CUDA's default)                              rows point to slots; tokens lie on the device
"""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from torch import Tensor
from vllm.sampling_params import SamplingParams
from vllm.v1.sample.logits_processor import LogitsProcessor as LogitsProcessorV1
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.sample.logits_processor.interface import BatchUpdate
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as LogitsProcessorV2

from genrec.engines.vllm.masking import RowFilters, mask_items, read_filters, resolve_filters
from genrec.engines.vllm.served import Served, served_here
from genrec.errors import ConfigError, DataError

SEARCH, SEARCH_VARIABLE = "genrec_search", "GENREC_SEARCH_KEY"
"""Requests of our own beam loop carry this key: their allowed tokens are chosen already."""

logger = logging.getLogger("vllm.genrec")


class ItemProcessor(LogitsProcessorV1, LogitsProcessorV2):  # type: ignore[misc]
    """Masks the next token of sequences that are writing an item."""

    def __init__(
        self,
        vllm_config: Any,
        device_or_state: torch.device | LogitsProcRequestState,
        is_pin_memory: bool = False,
    ) -> None:
        """Read the served base.

        Args:
            vllm_config: vLLM's own.
            device_or_state: V1 gives the device of the logits; V2 its buffers of every
                request's tokens.
            is_pin_memory: Of V1; not needed.

        Raises:
            ConfigError: A setting under which items that do not exist could be named.
        """
        self._buffers: LogitsProcRequestState | None = None
        device = device_or_state
        if isinstance(device_or_state, LogitsProcRequestState):
            self._buffers, device = device_or_state, device_or_state.device
        self._served = Served.find(vllm_config.model_config.model, device)
        self._key = os.environ.get(SEARCH_VARIABLE)
        self._rows: dict[int, _Row] = {}
        self._slots: dict[int, RowFilters | None] = {}
        self._device = device
        self._width = 0
        if self._served is not None:
            _check_settings(vllm_config, is_v2=self._buffers is not None)
            catalogue = self._served.current()
            self._width = catalogue.trie.num_levels + 1
            logger.info(
                "genrec: %d items of %s, model runner %s",
                len(catalogue.table),
                catalogue.base.path,
                "V1" if self._buffers is None else "V2",
            )

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Refuse bad filters at the server's door; vLLM answers 400.

        Raises:
            ValueError: A filter of the wrong type, or, where ``GENREC_BASE`` tells which table is
                served, of an item that is not in it, or filters that leave nothing.
        """
        if not (named := read_filters(sampling_params.extra_args)):
            return
        if (served := served_here()) is None:
            return
        try:
            filters = resolve_filters(served.current(), named, strict=True)
        except DataError as error:
            raise ValueError(str(error)) from None
        candidates = filters.candidates
        if candidates is None:
            candidates = range(len(filters.catalogue.table))
        if not set(candidates) - set(filters.exclude):
            raise ValueError("the filters leave no item; exclude less")

    def is_argmax_invariant(self) -> bool:
        """See vLLM: greedy answers change too."""
        return False

    # Model runner V1

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests as they come, go and move in the batch."""
        if self._served is not None:
            process_dict_updates(self._rows, batch_update, self._new_row)

    def _new_row(
        self, params: SamplingParams, prompt: list[int] | None, output: list[int]
    ) -> _Row | None:
        filters = self._new_filters(params)
        return None if filters is None else _Row(filters, (prompt or [])[-self._width :], output)

    # Model runner V2

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Take a slot over from whoever had it."""
        filters = None if self._served is None else self._new_filters(sampling_params)
        self._slots[req_idx] = filters
        return filters is not None

    # Both

    def apply(self, logits: Tensor, ctx: LogitsContext | None = None) -> Tensor:
        """Mask in place the rows that are writing an item."""
        if self._served is None:
            return logits
        rows, tails, row_filters = self._look_v1() if ctx is None else self._look_v2(ctx)
        if row_filters:
            mask_items(logits, rows, tails, row_filters)
        return logits

    def _look_v1(self) -> tuple[Tensor, Tensor, list[RowFilters]]:
        """Return rows near an item's opening, the ends of their sequences, and their filters."""
        rows, tails, row_filters = [], [], []
        for index, row in self._rows.items():
            tail = row.tail(self._width)
            if row.filters.catalogue.base.opening in tail:
                rows.append(index)
                tails.append([-1] * (self._width - len(tail)) + tail)
                row_filters.append(row.filters)
        return (
            torch.tensor(rows, dtype=torch.int64, device=self._device),
            torch.tensor(tails, dtype=torch.int64, device=self._device),
            row_filters,
        )

    def _look_v2(self, ctx: LogitsContext) -> tuple[Tensor, Tensor, list[RowFilters]]:
        """Do the same where rows point to slots, and drafts of a speculator may be rows too."""
        assert self._buffers is not None and self._served is not None
        slots = ctx.expanded_idx_mapping.long()
        back = torch.arange(self._width - 1, -1, -1, device=slots.device)
        columns = ctx.pos.long().unsqueeze(1) - back
        committed = self._buffers.all_token_ids.gpu[slots.unsqueeze(1), columns.clamp(min=0)]
        # The newest tokens are what this step feeds the model; drafts are nowhere else.
        ends = torch.arange(len(slots), device=slots.device)
        fed = ctx.input_ids[(ends.unsqueeze(1) - back).clamp(min=0)]
        tails = torch.where(back <= ctx.expanded_local_pos.long().unsqueeze(1), fed, committed)
        tails = tails.long().masked_fill(columns < 0, -1)
        opening = self._served.current().base.opening
        near = (tails == opening).any(dim=1).nonzero()[:, 0].tolist()
        slot_of = slots.tolist() if near else []
        known = [(row, self._slots.get(slot_of[row])) for row in near]
        chosen = [(row, filters) for row, filters in known if filters is not None]
        rows = torch.tensor([row for row, _ in chosen], dtype=torch.int64, device=slots.device)
        return rows, tails[rows], [filters for _, filters in chosen]

    def _new_filters(self, params: SamplingParams) -> RowFilters | None:
        """Return what a new request may name; None for one that is not ours to mask."""
        assert self._served is not None
        extra = params.extra_args
        if not extra:
            return RowFilters(self._served.current())
        if self._key and extra.get(SEARCH) == self._key:
            return None
        # Names were checked at the door; an item that has left since is passed over.
        return resolve_filters(self._served.current(), read_filters(extra))


class _Row:
    """A request in V1's batch.

    Attributes:
        filters: What it may name.
    """

    def __init__(self, filters: RowFilters, prompt_end: list[int], output: list[int]) -> None:
        """Keep the end of the prompt and the very list that vLLM appends output to."""
        self.filters, self._prompt_end, self._output = filters, prompt_end, output

    def tail(self, width: int) -> list[int]:
        """Return the last tokens of prompt and output, at most ``width``."""
        written = self._output[-width:]
        missing = width - len(written)
        return [*self._prompt_end[-missing:], *written] if missing else written


def _check_settings(vllm_config: Any, is_v2: bool) -> None:
    """Refuse settings under which a client could be given items that do not exist.

    Raises:
        ConfigError: Saying which argument mends it.
    """
    mode = vllm_config.model_config.logprobs_mode
    if not mode.startswith("processed"):
        raise ConfigError(
            f"--logprobs-mode {mode} would let vLLM's beam search follow masked tokens; start the "
            "server with --logprobs-mode processed_logprobs"
        )
    if is_v2:
        return
    scheduler = vllm_config.scheduler_config
    if scheduler.async_scheduling and not vllm_config.model_config.logits_processors:
        # vLLM then leaves placeholders where the last tokens should stand.
        raise ConfigError(
            "on model runner V1 a plugin does not see the newest tokens under asynchronous "
            "scheduling; start the server with --no-async-scheduling"
        )
