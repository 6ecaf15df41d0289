"""The engine in this process: tree beam search on any Hugging Face causal LM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.decode.beam import tree_beam_search
from genrec.decode.constraint import Constraint
from genrec.decode.mask import DeviceTrie
from genrec.decode.trie import Trie
from genrec.engines.base import SEPARATOR, FoundItems, ItemQuery
from genrec.engines.phrases import PhraseList
from genrec.model.load import LoadedRun
from genrec.stream.templates import END_MARKER

BATCH_TOKENS = 16_384


class TorchEngine:
    """Runs a model on one device."""

    def __init__(
        self,
        model: Any,
        run: LoadedRun,
        device: str | torch.device = "cpu",
        num_beams: int = 50,
    ) -> None:
        """Build the trie of the run's table.

        Args:
            model: Called as a Hugging Face causal LM; usually ``run.model``.
            run: Holds table, vocabulary and tokenizer.
            device: Where the model lies.
            num_beams: Beams kept at every level; at least the ``k`` asked for is used.
        """
        self._model = model
        self._run = run
        self._device = torch.device(device)
        self._num_beams = num_beams
        self._trie = DeviceTrie.put(Trie.build(run.vocabulary.paths(run.table.codes)), self._device)
        self._pad_id = int(run.encoder.tokenizer.pad_token_id)

    @torch.inference_mode()
    def items(self, queries: Sequence[ItemQuery], k: int) -> list[FoundItems]:
        """See ``Engine.items``."""
        found: list[FoundItems | None] = [None] * len(queries)
        for numbers in self._batches([query.prompt for query in queries]):
            batch = [queries[number] for number in numbers]
            input_ids, attention_mask = self._pad([query.prompt for query in batch])
            constraint = None
            if any(len(query.exclude) or query.only is not None for query in batch):
                constraint = Constraint.build(
                    self._trie,
                    exclude=[query.exclude for query in batch],
                    only=[query.only for query in batch],
                )
            leaves, scores = tree_beam_search(
                self._model,
                input_ids,
                attention_mask,
                self._trie,
                num_beams=max(k, self._num_beams),
                constraint=constraint,
            )
            for number, rows, row_scores in zip(
                numbers, leaves[:, :k].cpu().numpy(), scores[:, :k].cpu().numpy(), strict=True
            ):
                kept = rows >= 0
                found[number] = FoundItems(rows[kept], row_scores[kept])
        return [result for result in found if result is not None]

    @torch.inference_mode()
    def text(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, phrases: Sequence[str]
    ) -> list[str]:
        """See ``Engine.text``."""
        encoder = self._run.encoder
        end = encoder.tokenize([END_MARKER])[0][0]
        sayable = PhraseList(
            encoder.tokenize(phrases),
            encoder.tokenize([SEPARATOR + phrase for phrase in phrases]),
            end,
        )
        texts = [""] * len(prompts)
        for numbers in self._batches(prompts):
            input_ids, attention_mask = self._pad([prompts[number] for number in numbers])
            width = input_ids.shape[1]
            generated = self._model.generate(
                input_ids=input_ids,
                attention_mask=attention_mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                num_beams=1,
                prefix_allowed_tokens_fn=lambda _, ids, width=width: sayable.allowed(
                    ids[width:].tolist()
                ),
                eos_token_id=end,
                pad_token_id=self._pad_id,
            )[:, width:]
            for number, tokens in zip(numbers, generated, strict=True):
                texts[number] = encoder.tokenizer.decode(tokens, skip_special_tokens=True)
        return texts

    @torch.inference_mode()
    def first_code_log_probs(self, prompts: Sequence[Sequence[int]]) -> np.ndarray:
        """See ``Engine.first_code_log_probs``."""
        codes = torch.as_tensor(self._run.vocabulary.token_ids[0], device=self._device)
        used = torch.zeros(len(codes), dtype=torch.bool, device=self._device)
        used[torch.as_tensor(np.unique(self._run.table.codes[:, 0]), device=self._device)] = True
        rows = np.empty((len(prompts), len(codes)), dtype=np.float32)
        for numbers in self._batches(prompts):
            input_ids, attention_mask = self._pad([prompts[number] for number in numbers])
            output = self._model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=_positions(attention_mask),
                logits_to_keep=1,
                use_cache=False,
            )
            logits = output.logits[:, -1].float()[:, codes].masked_fill(~used, -torch.inf)
            rows[numbers] = logits.log_softmax(dim=-1).cpu().numpy()
        return rows

    def _batches(self, prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Group prompts of like length, so that little padding is computed."""
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        batch: list[int] = []
        for number in order:
            if batch and (len(batch) + 1) * len(prompts[number]) > BATCH_TOKENS:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _pad(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Lay prompts out, padded on the left. Shape of each: (B, T)."""
        width = max(len(prompt) for prompt in prompts)
        input_ids = torch.full((len(prompts), width), self._pad_id, dtype=torch.long)
        attention_mask = torch.zeros_like(input_ids)
        for row, prompt in enumerate(prompts):
            input_ids[row, width - len(prompt) :] = torch.as_tensor(prompt)
            attention_mask[row, width - len(prompt) :] = 1
        return input_ids.to(self._device), attention_mask.to(self._device)


def _positions(attention_mask: Tensor) -> Tensor:
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
