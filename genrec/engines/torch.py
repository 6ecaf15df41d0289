"""The engine in this process: tree beam search on any Hugging Face causal LM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from genrec.batching import batch_by_length, pack
from genrec.decode.device_trie import DeviceTrie, find_inner
from genrec.decode.grouped_attention import attend_in_groups
from genrec.decode.policy import Policy
from genrec.decode.prefix_cache import PrefixCache
from genrec.decode.prefix_logits import batches, merge_prefixes, next_logits
from genrec.decode.search import StepScorer, beam_search, run_search, score_children
from genrec.decode.shared_prompts import SharedPrompts
from genrec.decode.tree import PrefillCache, logits_of, score_after
from genrec.decode.trie import Trie
from genrec.devices import Arithmetic
from genrec.engines.adapters import AdaptedModel, check_loaded
from genrec.engines.base import Counted, FoundItems, ItemQuery
from genrec.engines.by_settings import by_settings
from genrec.engines.grammar import Grammar, GrammarState
from genrec.engines.merge_prefixes import batch_branches, find_families
from genrec.engines.policy import HeadScores, MatchesAlone, SasRecFusion, make_policy, score_parts
from genrec.engines.read_prompts import OwnPrompt, PromptReader
from genrec.errors import ConfigError
from genrec.linear import speed_up
from genrec.model.adapter_head import TrainedHead, load_adapter_head
from genrec.model.load import LoadedRun, base_of
from genrec.model.lora import check_adapter
from genrec.model.lora_layers import without_adapter
from genrec.model.precision import RunUnder, choose_arithmetic, float32_arithmetic
from genrec.model.sasrec_head import SasRecHead, Terms, Transitions
from genrec.schema import ModelSettings, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

BATCH_TOKENS = 16_384
"""Of a forward pass, and of a batch's cache: a row holds its prompt and the tokens of its beams."""
BATCH_SCORES = 2**27
"""Of a forward pass, and of the inner nodes of a trie in all rows of a batch: half a gigabyte."""
TREE_TOKENS = 2048
"""Of beams in a row: as many queries after one prompt are searched together. What they do not share
is hidden from one another, but not skipped."""


class TorchEngine(AdaptedModel):
    """Runs a model on one device."""

    def __init__(
        self,
        run: LoadedRun,
        device: str | torch.device = "cpu",
        num_beams: int = 50,
        arithmetic: Arithmetic = "auto",
        session_cache_mb: int = 0,
    ) -> None:
        """Build the trie of the run's table.

        Args:
            run: Holds model, table, vocabulary and tokenizer.
            device: Where the model lies.
            num_beams: Beams kept at every level; at least the ``k`` asked for is used.
            arithmetic: See ``genrec.model.precision``.
            session_cache_mb: MiB for what was read of prompts, so that one which continues another
                is read from there on; 0: nothing is kept.

        Raises:
            ConfigError: There is no such arithmetic.
        """
        super().__init__(run.model, base_of(run.path))
        speed_up(run.model)
        attend_in_groups(without_adapter(run.model))
        self._arithmetic = choose_arithmetic(run.model, arithmetic)
        # What items are scored under in the end.
        is_rescored = arithmetic == "rescored"
        self._exact = float32_arithmetic(run.model) if is_rescored else self._arithmetic
        self._encoder = run.encoder
        self._vocabulary = run.vocabulary
        self._device = torch.device(device)
        self._num_beams = num_beams
        self._pad_id = int(run.encoder.tokenizer.pad_token_id)
        self._reader = PromptReader(self._pad_id, self._device, session_cache_mb << 20)
        head = run.sasrec_head
        own = None if head is None else TrainedHead(head.to(self._device), run.table)
        self._run_table = run.table
        self._heads: dict[str | None, TrainedHead | None] = {None: own}
        self._fusions: dict[str | None, SasRecFusion | MatchesAlone] = {}
        self._counted: dict[str | None, Counted] = {}
        self.replace_table(run.table)

    def replace_table(self, table: SemanticIdTable) -> None:
        """See ``Engine.replace_table``."""
        trie = Trie.build(self._vocabulary.paths(table.codes))
        self._trie = DeviceTrie.from_trie(trie, self._device, table.seen_in_training)
        self._table = table
        self._fusions = {name: self._fuse(head) for name, head in self._heads.items()}

    def load_adapter(self, name: str, path: Path) -> None:
        """See ``Engine.load_adapter``."""
        check_adapter(path, self._base)
        found = load_adapter_head(path, self._run_table)
        super().load_adapter(name, path)
        if found is not None:
            self._heads[name] = replace(found, head=found.head.to(self._device))
            self._fusions[name] = self._fuse(self._heads[name])

    def drop_adapter(self, name: str) -> None:
        """See ``Engine.drop_adapter``."""
        super().drop_adapter(name)
        self._heads.pop(name, None)
        self._fusions.pop(name, None)
        self._counted.pop(name, None)

    def _owner(self, adapter: str | None) -> str | None:
        """Return whose head answers: that of an adapter, if it has one, else that of the run."""
        return adapter if adapter in self._heads else None

    @property
    def counted(self) -> list[Counted]:
        """See ``Engine``."""
        owners = dict.fromkeys(map(self._owner, (self.adapter, *self.adapters)))
        return [found for owner in owners if (found := self._counted_of(owner)) is not None]

    def _counted_of(self, owner: str | None) -> Counted | None:
        trained = self._heads[owner]
        if trained is None or trained.head.weight <= 0 or trained.head.transitions is None:
            return None
        if not trained.head.terms.transitions:
            return None
        if owner not in self._counted:
            votes = trained.head.transitions.to_votes()
            use = partial(_use, trained.head)
            self._counted[owner] = Counted(votes, trained.table, trained.counted_until, use)
        return self._counted[owner]

    def _fuse(self, trained: TrainedHead | None) -> SasRecFusion | MatchesAlone:
        if trained is None or trained.head.weight <= 0:
            return MatchesAlone(self._trie, Terms() if trained is None else trained.head.terms)
        opening = self._encoder.opening
        return SasRecFusion(trained.head, self._table, trained.table, self._trie, opening)

    @property
    def prefix_cache(self) -> PrefixCache | None:
        """See ``Engine``."""
        return self._reader.cache

    def check_model(self, settings: ModelSettings) -> None:
        """See ``Engine.check_model``."""
        if settings.adapter is not None:
            check_loaded(settings.adapter, self.adapters)
        owner = self._owner(self.adapter if settings.adapter is None else settings.adapter)
        if settings.sasrec_weight and not isinstance(self._fusions[owner], SasRecFusion):
            raise ConfigError(
                f"sasrec_weight={settings.sasrec_weight:g}: this model has no SASRec "
                "head, or gave it no weight in training; leave it out"
            )

    @torch.inference_mode()
    def items(self, queries: Sequence[ItemQuery], k: int) -> list[FoundItems]:
        """See ``Engine.items``."""

        def answer(settings: ModelSettings, some: Sequence[ItemQuery]) -> list[FoundItems]:
            self.check_model(settings)
            with self.answering(settings.adapter):
                return self._items(some, k, settings)

        return by_settings(answer, queries)

    def _items(
        self, queries: Sequence[ItemQuery], k: int, settings: ModelSettings
    ) -> list[FoundItems]:
        found: list[FoundItems | None] = [None] * len(queries)
        num_beams = max(k, settings.num_beams or self._num_beams)
        is_rescored = self._exact is not self._arithmetic
        # Scored again, any leaf may become one of the best.
        wanted = num_beams if is_rescored else k
        # The tokens of the last level are chosen, never run.
        of_beams = num_beams * (self._trie.num_levels - 1)
        together = max(1, TREE_TOKENS // max(1, of_beams))
        most_rows = max(1, BATCH_SCORES // self._trie.level_start[-2])
        by_prompt: dict[OwnPrompt, list[int]] = {}
        for number, query in enumerate(queries):
            by_prompt.setdefault(_own(query), []).append(number)

        def fits(batch: list[tuple[OwnPrompt, list[int]]]) -> bool:
            (_, fewest), (longest, most) = batch[0], batch[-1]
            rows_each = min(len(most), together)
            columns = len(batch) * (len(longest.tokens) + rows_each * of_beams)
            as_many = len(fewest) == len(most)
            return as_many and len(batch) * rows_each <= most_rows and columns <= BATCH_TOKENS

        # Prompts of a batch are read together, and each is asked as often as the others.
        order = sorted(by_prompt.items(), key=lambda asked: (len(asked[1]), len(asked[0].tokens)))
        for rows_of_batch in pack(order, fits):
            prompts = [prompt for prompt, _ in rows_of_batch]
            head = self._ask_head([prompt.tokens for prompt in prompts], settings.sasrec_weight)
            read = self._read(prompts, self._arithmetic)
            read_again = self._read(prompts, self._exact) if is_rescored else None
            for start in range(0, len(rows_of_batch[0][1]), together):
                some = slice(start, start + together)
                numbers = [number for _, asked in rows_of_batch for number in asked[some]]
                batch = [queries[number] for number in numbers]
                rows_each = len(batch) // len(prompts)
                heeding = head.repeat(rows_each).heeding(batch, self._trie.place_of)
                policy = make_policy(self._trie, self._vocabulary, batch, heeding)
                with self._arithmetic():
                    search = beam_search(policy, len(batch), num_beams, wanted)
                    leaves, scores, alone = run_search(search, SharedPrompts(read, rows_each))
                if read_again is not None:
                    with self._exact():
                        again = SharedPrompts(read_again, rows_each)
                        leaves, scores, alone = _score_again(leaves, alone, policy, again)
                parts = score_parts(policy, heeding, leaves[:, :k], alone[:, :k])
                found_rows, found_scores = leaves[:, :k].cpu().numpy(), scores[:, :k].cpu().numpy()
                for place, number in enumerate(numbers):
                    kept = found_rows[place] >= 0
                    of_row = {name: nats[place][kept] for name, nats in parts.items()}
                    found[number] = FoundItems(
                        found_rows[place][kept], found_scores[place][kept], of_row
                    )
        return [result for result in found if result is not None]

    @torch.inference_mode()
    def item_scores(
        self, queries: Sequence[ItemQuery], rows: Sequence[Sequence[int]]
    ) -> list[np.ndarray]:
        """See ``Engine.item_scores``."""

        def answer(
            settings: ModelSettings, some: Sequence[ItemQuery], of_some: Sequence[Sequence[int]]
        ) -> list[np.ndarray]:
            self.check_model(settings)
            with self.answering(settings.adapter):
                return self._item_scores(settings, some, of_some)

        return by_settings(answer, queries, rows)

    def _item_scores(
        self,
        settings: ModelSettings,
        queries: Sequence[ItemQuery],
        rows: Sequence[Sequence[int]],
    ) -> list[np.ndarray]:
        scores = [np.empty(0, dtype=np.float32)] * len(queries)
        for numbers, prompts in self._read_families([_own(query) for query in queries]):
            batch = [queries[number] for number in numbers]
            head = self._ask_head([query.prompt for query in batch], settings.sasrec_weight)
            heeding = head.heeding(batch, self._trie.place_of)
            policy = make_policy(self._trie, self._vocabulary, batch, heeding)
            asked = [list(rows[number]) for number in numbers]
            # Shorter lists are filled up with a leaf that nobody looks at.
            width = max(map(len, asked))
            leaves = torch.tensor(
                [row + [0] * (width - len(row)) for row in asked],
                dtype=torch.int64,
                device=self._device,
            )
            with self._exact():
                found = score_after(prompts, policy, leaves)
            for number, row, row_scores in zip(numbers, asked, found.cpu().numpy(), strict=True):
                scores[number] = row_scores[: len(row)]
        return scores

    @torch.inference_mode()
    def text(
        self,
        prompts: Sequence[Sequence[int]],
        grammars: Sequence[Grammar],
        max_tokens: int,
        owners: Sequence[str] = (),
    ) -> list[list[int]]:
        """See ``Engine.text``."""
        return [
            self._write(prompt, grammar, max_tokens)
            for prompt, grammar in zip(_owned(prompts, owners), grammars, strict=True)
        ]

    @torch.inference_mode()
    def code_log_probs(
        self,
        prompts: Sequence[Sequence[int]],
        prefix: SemanticId = (),
        owners: Sequence[str] = (),
    ) -> np.ndarray:
        """See ``Engine.code_log_probs``."""
        forced = self._vocabulary.path_of(prefix)
        node = torch.tensor([find_inner(self._trie, forced)], device=self._device)
        tokens = Policy(self._trie).expand(node).tokens[0]
        codes: np.ndarray = self._vocabulary.codes_at(len(prefix), tokens.cpu().numpy())
        log_probs = np.full(
            (len(prompts), self._vocabulary.token_ids.shape[1]), -np.inf, dtype=np.float32
        )
        own = _owned(prompts, owners)
        for batch in batches(
            merge_prefixes(prompts), len(forced), BATCH_TOKENS, BATCH_SCORES, len(tokens)
        ):
            indices = [index for stream in batch for index in stream.indices]
            head = self._ask_head([prompts[index] for index in indices])
            policy = Policy(self._trie, fusion=head.fuse(self._trie))
            if len(indices) == len(batch):
                # Nothing to share within the batch: read like prompts for items, and kept.
                read = self._read([own[index] for index in indices], self._arithmetic)
                with self._arithmetic():
                    found = run_search(score_children(policy, forced, len(batch)), read)
            else:
                with self._arithmetic(), logits_of(self.model, tokens):
                    logits = next_logits(self.model, batch, forced, self._pad_id)
                found = policy.apply(logits, policy.expand(node.expand(len(logits))))
            log_probs[np.ix_(np.array(indices), codes)] = found.cpu().numpy()
        return log_probs

    def _write(self, prompt: OwnPrompt, grammar: Grammar, max_tokens: int) -> list[int]:
        """Continue a prompt greedily; the model runs only where there is a choice.

        Most tokens are forced by those before, so a prompt of its own takes fewer forward passes
        than a batch that runs each token.
        """
        begun = self._read([prompt._replace(tokens=prompt.tokens[:-1])], self._arithmetic)
        cache, unread, written = begun.keys_and_values, [prompt.tokens[-1]], list[int]()
        state = GrammarState(grammar)
        while len(written) < max_tokens and (allowed := state.allowed):
            if len(allowed) > 1:
                tokens = torch.tensor(allowed, device=self._device)
                with self._arithmetic(), logits_of(self.model, tokens):
                    logits = self.model(
                        input_ids=torch.tensor([unread], device=self._device),
                        past_key_values=cache,
                        use_cache=True,
                        logits_to_keep=1,
                    ).logits[0, -1]
                allowed = [allowed[int(logits.argmax())]]
                unread = []
            state.advance(allowed[0])
            written.append(allowed[0])
            unread.append(allowed[0])
        return written

    def _ask_head(
        self, prompts: Sequence[Sequence[int]], weight: float | None = None
    ) -> HeadScores:
        """Return what the SASRec head says after prompts; None: under its own weight."""
        fusion = self._fusions[self._owner(self.running)]
        return fusion.read(self._reader.pad(prompts)[0]).weighed(weight)

    def _read(self, prompts: Sequence[OwnPrompt], run_under: RunUnder) -> PrefillCache:
        # What is computed exactly must not continue what was not.
        is_exact = run_under is self._exact
        version = f"{self.weights} {'exact' if is_exact else 'rounded'}"
        with run_under():
            return self._reader.read(self.model, version, self._trie, prompts)

    def _read_families(
        self, prompts: Sequence[OwnPrompt]
    ) -> Iterator[tuple[list[int], PrefillCache]]:
        """Read prompts in batches; a beginning that several share is read once."""
        tokens = [prompt.tokens for prompt in prompts]
        families, alone = find_families(tokens)
        lengths = [len(tokens[index]) for index in alone]
        for batch in batch_by_length(lengths, max_tokens=BATCH_TOKENS):
            indices = [alone[index] for index in batch]
            yield indices, self._read([prompts[index] for index in indices], self._exact)
        for family in families:
            trunk = self._read([prompts[family.trunk]], self._exact)
            for branches in batch_branches(family, tokens, BATCH_TOKENS):
                shared = torch.tensor([branch.shared for branch in branches], device=self._device)
                rest = [tokens[branch.number][branch.shared :] for branch in branches]
                with self._exact():
                    read = trunk.fork(shared, *self._reader.pad(rest))
                yield [branch.number for branch in branches], read


def _use(head: SasRecHead, votes: sparse.csr_array) -> None:
    assert head.transitions is not None
    counted = Transitions.of(votes, head.transitions.openings)
    head.transitions = counted.to(head.item_embedding.weight.device)


def _own(query: ItemQuery) -> OwnPrompt:
    return OwnPrompt(tuple(query.prompt), query.owner)


def _owned(prompts: Sequence[Sequence[int]], owners: Sequence[str]) -> list[OwnPrompt]:
    """Return prompts with their owners, or with nobody."""
    named = owners or [""] * len(prompts)
    return [OwnPrompt(tuple(prompt), owner) for prompt, owner in zip(prompts, named, strict=True)]


def _score_again(
    leaves: Tensor, alone: Tensor, policy: Policy, prompts: StepScorer
) -> tuple[Tensor, Tensor, Tensor]:
    """Score what a search found after other prompts, and put it in order. Shapes: (B, K)."""
    scores = score_after(prompts, policy, leaves.clamp(min=0))
    scores = scores.masked_fill(leaves < 0, -torch.inf)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return leaves.gather(1, order), scores, alone.gather(1, order)
