"""What a Python user imports: load a run, recommend, say interests.

recommender = Recommender.from_pretrained("runs/demo/sft")
recommender.recommend("u17", k=10)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch

from genrec.arguments import (
    Moment,
    check_collection,
    check_count,
    check_integer,
    check_path,
    is_id,
)
from genrec.base_recommender import BaseRecommender
from genrec.data import Dataset
from genrec.devices import Arithmetic
from genrec.engines.base import Counted, Engine, ItemQuery
from genrec.engines.load import connect_engine, load_engine
from genrec.errors import ConfigError
from genrec.frames import answers
from genrec.frames.answers import read_users
from genrec.frames.histories import FrameHistories
from genrec.graph.user_item_path import user_item_path
from genrec.interests.explain.deletion import Attribution, Explanation, explain_items
from genrec.interests.explain.scored import Score
from genrec.interests.profile.buckets import NEXT_EVENTS
from genrec.interests.summary.check import Summary
from genrec.interests.summary.codec import SummaryCodec
from genrec.interests.summary.generate import summarize
from genrec.interests.timeline.evolution import Evolution, evolve
from genrec.interests.timeline.forecast import Forecaster, calibrated
from genrec.model.item_features import ItemFeatures
from genrec.model.load import LoadedRun, with_table
from genrec.model.recent_popularity import RecentPopularity
from genrec.model.sasrec_head import Terms
from genrec.preferences.turning import biases_of
from genrec.pretrained.card import write_card
from genrec.pretrained.folder import write_folder
from genrec.pretrained.hub import find_model, upload_folder
from genrec.schema import (
    MIN_EVIDENCE,
    Event,
    History,
    ModelSettings,
    Recommendation,
    Request,
    SemanticId,
)
from genrec.semantic_ids.extend import place_catalogue
from genrec.semantic_ids.linear import normalize_rows
from genrec.semantic_ids.matching import Matcher
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.sessions import Sessions
from genrec.stream.windows import View

if TYPE_CHECKING:
    from genrec.decode.prefix_cache import PrefixCache
    from genrec.zero_shot.config import ChatOptions, ZeroShotConfig
    from genrec.zero_shot.recommender import ZeroShotRecommender


class Recommender(BaseRecommender):
    """A trained run behind an engine; a ``schema.Ranker``."""

    name = "genrec"

    def __init__(
        self,
        run: LoadedRun,
        engine: Engine,
        data: Dataset,
        histories: Dataset | FrameHistories | None = None,
    ) -> None:
        super().__init__(data, histories)
        self._run = run
        self._trained_on = run.table
        self._matcher: tuple[SemanticIdTable, Matcher] | None = None
        self._popularity: RecentPopularity | None = None
        self._read_with(run.table)
        self._engine = engine
        self._forecaster = Forecaster.of_run(run.path)

    @classmethod
    def from_pretrained(
        cls,
        path: Path | str,
        device: str | None = None,
        num_beams: int = 50,
        vllm: str | None = None,
        sasrec_weight: float | None = None,
        new_item_boost: float | None = None,
        histories: Any = None,
        revision: str | None = None,
        arithmetic: Arithmetic = "auto",
        session_cache_mb: int = 0,
    ) -> Recommender:
        """Load a model: a run, a folder of ``save_pretrained``, or one on the Hugging Face Hub.

        Args:
            path: Folder, or name on the Hub such as "owner/name".
            device: Such as "cpu" or "cuda"; None takes a GPU where there is one.
            num_beams: Width of the search; results are exact when it covers the catalogue.
            vllm: URL of a ``python -m genrec.engines.vllm`` that serves the run's base; None runs
                the model in this process.
            sasrec_weight: Weight of the SASRec head, 0 to 1: 0 uses the causal LM alone, 1 the head
                alone; None: as chosen in training. In this process only.
            new_item_boost: Nats that items which training never met, or a few times of late, get
                on top of their score; higher shows more of them, at the cost of the others;
                None: as learned in training. In this process only.
            histories: Whom to know: prepared data or their folder, or a data frame of events;
                None: who the run was trained on, where that is at hand.
            revision: Branch, tag or commit of a model on the Hub.
            arithmetic: In what the model is computed: "model" as its weights are, "bfloat16",
                "float32" exactly, "rescored" (searched like the first, scored like the last), or
                "auto" (``genrec.model.precision``). In this process only.
            session_cache_mb: MiB for what the model read of each user, so that one who returns
                costs only what is new; 0: nothing is kept. A vLLM server has its own.

        Raises:
            ArtifactError: The run or one of its parents is missing, damaged or another one.
            ConfigError: A setting of the head for a run without one, or for a model elsewhere; or
                there is no such arithmetic, or not on this device.
            DataError: ``num_beams`` is no positive number.
            EngineUnavailable: Nothing answers at the URL.
        """
        num_beams = check_count(num_beams, "num_beams")
        path = find_model(path, revision)
        engine: Engine
        if vllm is not None:
            if sasrec_weight is not None or new_item_boost is not None or arithmetic != "auto":
                raise ConfigError(
                    "a vLLM server runs the model and its SASRec head as it was started: leave "
                    "sasrec_weight, new_item_boost and arithmetic"
                )
            run, engine = connect_engine(vllm, path, num_beams)
        else:
            run, engine = load_engine(
                path, device, num_beams, sasrec_weight, new_item_boost, arithmetic, session_cache_mb
            )
        if vllm is not None or session_cache_mb:
            run = replace(run, encoder=replace(run.encoder, sessions=Sessions()))
        return cls(run, engine, Dataset.load(run.data), _open_histories(run, histories))

    @classmethod
    def fit(
        cls,
        events: Any,
        items: Any = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        out: Path | str | None = None,
        device: str | None = None,
        num_beams: int = 50,
        users: Any = None,
    ) -> Recommender:
        """Train on data frames in this process: prepare, index, base and pretrain in one call.

        Training stops early by itself, on validation events; the last event of each user is held
        out, so that ``genrec evaluate`` can measure the result.

        Args:
            events: A frame of pandas, Polars or Arrow: ``user_id``, ``item_id`` and ``timestamp``
                (datetimes, dates, ISO text or seconds), and other ``schema.EVENT_COLUMNS``.
            items: A frame with ``item_id`` and ``schema.ITEM_COLUMNS``; other columns are kept as
                text. None: the items of the events, without titles.
            config: Settings of the stages by name, such as ``{"pretrain": {"epochs": 5}}``:
                "prepare", "index", "base", "pretrain" (``genrec config NAME`` lists them).
            out: Folder for the stages' artifacts; None: a temporary one that goes with the
                recommender.
            device: That answers, see ``from_pretrained``; training takes a GPU where there is one.
            num_beams: See ``from_pretrained``.
            users: A frame with ``user_id`` and ``about``, what users say of themselves; some may
                have no events.

        Raises:
            DataError: A frame lacks a column, has an unknown one, or holds what cannot be used.
            ConfigError: A setting that does not exist or does not fit.
        """
        # Training knows the recommender (it validates with one), so it is reached by its name.
        trained: Recommender = import_module("genrec.fit").fit(
            events, items, config, out, device, num_beams, users
        )
        return trained

    def save_pretrained(self, folder: Path | str, evaluation: Path | str | None = None) -> Path:
        """Write the model as one folder that needs nothing outside it, with a model card.

        Items added or removed since loading are part of it; adapters loaded since are not. Users'
        events are not: give them to ``from_pretrained`` as ``histories``.

        Args:
            folder: Where to; a model that lies there is replaced when all is written.
            evaluation: What ``genrec evaluate --out`` saved of this run, for the card.

        Returns:
            The folder.

        Raises:
            ArtifactError: Something else lies there, or the evaluation is of another run.
        """
        folder = check_path(folder, "folder")
        card = write_card(self._run, self.table, evaluation)
        write_folder(self._run.path, self.table, self.items, self._data, folder, card)
        return folder

    def push_to_hub(
        self,
        name: str,
        private: bool = True,
        token: str | None = None,
        evaluation: Path | str | None = None,
        message: str = "Upload a genrec model",
    ) -> str:
        """Upload what ``save_pretrained`` writes to the Hugging Face Hub.

        Args:
            name: Such as "owner/name"; made if it is new.
            private: Whether a new one is private.
            token: None: the one of ``hf auth login`` or of HF_TOKEN.
            evaluation: See ``save_pretrained``.
            message: Of the commit.

        Returns:
            The commit's URL.

        Raises:
            ArtifactError: The Hub cannot be reached, or does not let this user.
        """
        with TemporaryDirectory() as scratch:
            folder = self.save_pretrained(Path(scratch) / "model", evaluation)
            return upload_folder(folder, name, private, token, message)

    @staticmethod
    def zero_shot(
        model: str,
        data: Path | str,
        config: ZeroShotConfig | None = None,
        index: Path | str | None = None,
        **options: Unpack[ChatOptions],
    ) -> ZeroShotRecommender:
        """Recommend by prompt with a stock chat model; see ``ZeroShotRecommender.load``."""
        from genrec.zero_shot.recommender import ZeroShotRecommender

        return ZeroShotRecommender.load(model, data, config, index, **options)

    def with_catalogue(self, data: Dataset | Path | str) -> Recommender:
        """Return a recommender for another catalogue and its users, by text alone.

        The frozen encoder and codebook assign semantic IDs to the other catalogue's texts. What
        the model learned of prefixes carries over as far as texts are alike. The two recommenders
        share model and adapters.

        Args:
            data: Prepared data of the other catalogue.

        Raises:
            DataError: The table has no encoder, or fewer IDs than there are items.
        """
        other = data if isinstance(data, Dataset) else Dataset.load(data)
        moved = Recommender(self._run, copy(self._engine), other)
        moved._forecaster = None
        moved._trained_on = self._trained_on
        moved._take(place_catalogue(self.table, other.items))
        return moved

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker.rank_many``; items a filter names in vain are passed over.

        Raises:
            DataError: A history names an item that is not in the table.
        """
        return [
            [
                replace(
                    self._recommendation(int(row), place + 1, float(found.scores[place])),
                    parts={name: float(nats[place]) for name, nats in found.parts.items()},
                )
                for place, row in enumerate(found.rows)
            ]
            for found in self._engine.items(self._queries(requests), k)
        ]

    def score_many(
        self,
        requests: Sequence[Request],
        item_ids: Sequence[str],
        views: Sequence[View] | None = None,
    ) -> list[float]:
        """Return the score that ``rank_many`` would give an item for each request.

        Args:
            requests: As for ``rank_many``.
            item_ids: One for each.
            views: See ``Encoder.prompts``.

        Returns:
            Log-probabilities in nats, -inf for items that the request's filters forbid.

        Raises:
            DataError: An item, or one of a history, is not in the table.
        """
        rows = [[self.table.index_of(item_id)] for item_id in item_ids]
        found = self._engine.item_scores(self._queries(requests, views), rows)
        return [float(scores[0]) for scores in found]

    def explain_many(
        self, questions: Sequence[tuple[Request, str]], score: Score | None = None
    ) -> list[Explanation]:
        """See ``genrec.interests.explain.deletion``; scores are asked for in few large batches.

        Args:
            questions: Requests, and items to explain.
            score: Who scores items; None: ``score_many``.

        Raises:
            DataError: An item is not in the table, or its request's filters forbid it.
        """
        views = self._run.encoder.views([request.history for request, _ in questions])
        asked = [
            Attribution(request, item_id, view)
            for (request, item_id), view in zip(questions, views, strict=True)
        ]

        def label(item_id: str) -> str:
            return self.item(item_id).label

        explanations = explain_items(asked, score or self.score_many, self.table, label)
        return [
            replace(explained, path=user_item_path(request.history, item_id, self.table, label))
            for explained, (request, item_id) in zip(explanations, questions, strict=True)
        ]

    def interests_many(
        self, histories: Sequence[History], min_evidence: int = MIN_EVIDENCE
    ) -> list[Summary]:
        """See ``BaseRecommender.interests_many``."""
        requests = [Request(history) for history in histories]
        shares = None if self._forecaster is None else self.forecasts(requests)
        return self._summarize(histories, min_evidence, shares)

    def summaries_and_evolutions(
        self, histories: Sequence[History], min_evidence: int = MIN_EVIDENCE
    ) -> list[tuple[Summary, Evolution]]:
        """Return both of each history; what a summary says of the future is the evolution's."""
        evolutions = self.evolutions([Request(history) for history in histories])
        shares = np.zeros((len(histories), self.table.codebook_size))
        for row, evolution in zip(shares, evolutions, strict=True):
            row[[code for (code,) in evolution.prefixes]] = evolution.next_shares
        return list(zip(self._summarize(histories, min_evidence, shares), evolutions, strict=True))

    def evolution(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        as_of: Moment | None = None,
        prefix: SemanticId = (),
    ) -> Evolution:
        """Follow a user's interests over time, and predict the next window's.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first. Give this or ``user_id``.
            as_of: Look back as from right before this moment; None: right after the last event.
            prefix: Look at the finer interests below this one; none: at the coarse ones.

        Raises:
            DataError: An unknown user or item.
            DecodeError: No item has the prefix, or it is a whole semantic ID.
        """
        codes = [
            check_integer(code, "prefix") for code in check_collection(prefix, "prefix", "codes")
        ]
        request = self._request(user_id, events, as_of=as_of)
        return self.evolutions([request], tuple(codes))[0]

    def timeline(self, users: Any, as_of: Moment | None = None) -> Any:
        """Follow the coarse interests of users over time.

        Args:
            users: As for ``recommend``: one known user or many.
            as_of: Look back as from right before this moment; None: right after the last event.

        Returns:
            A frame: for each user, event and interest the share of what the model expects next,
            right after the event. Of the kind that was given, as for ``recommend``.

        Raises:
            DataError: An unknown user or item.
        """
        asked = read_users([users] if is_id(users) else users, self._look_up)
        requests = self._requests(asked.histories, as_of=as_of)
        return answers.timelines(requests, self.evolutions, asked.kind)

    def evolutions(self, requests: Sequence[Request], prefix: SemanticId = ()) -> list[Evolution]:
        """Follow the interests of many histories; see ``evolution``."""
        return evolve(requests, self._engine, self._run.encoder, self._forecaster, prefix)

    def forecasts(self, requests: Sequence[Request]) -> np.ndarray:
        """Foresee the next window's coarse interests.

        Returns:
            Shares that sum to 1, by first code. Shape: (B, codes of a level).
        """
        expected = self._expected(requests)
        if self._forecaster is None:
            return expected
        known = [
            self.table.first_codes(event.item_id for event in request.history.events)
            for request in requests
        ]
        return self._forecaster.predict(known, expected)

    def next_interests_many(
        self, histories: Sequence[History], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """Return for each history the interests expected next, likeliest first."""
        return [
            [
                (self.table.name_of((int(code),)), float(row[code]))
                for code in np.argsort(-row, kind="stable")[:top]
                if row[code] > 0
            ]
            for row in self._expected([Request(history) for history in histories])
        ]

    @property
    def session_cache(self) -> PrefixCache | None:
        """See ``BaseRecommender.session_cache``."""
        return self._engine.prefix_cache

    @property
    def remembered(self) -> set[str]:
        """See ``BaseRecommender.remembered``."""
        sessions = self._run.encoder.sessions
        return super().remembered | (set() if sessions is None else sessions.users)

    def forget(self, user_id: str) -> None:
        """See ``BaseRecommender.forget``."""
        super().forget(user_id)
        if self._run.encoder.sessions is not None:
            self._run.encoder.sessions.forget(user_id)

    @property
    def counted(self) -> list[Counted]:
        """See ``BaseRecommender.counted``."""
        return self._engine.counted

    @property
    def popularity(self) -> RecentPopularity | None:
        """See ``BaseRecommender.popularity``; None where the SASRec head does not ask for it."""
        head = self._run.sasrec_head
        if head is None or not head.terms.popularity:
            return None
        if self._popularity is None:
            self._popularity = RecentPopularity.of(self.data)
        return self._popularity

    @popularity.setter
    def popularity(self, popularity: RecentPopularity) -> None:
        self._popularity = popularity

    def check_model(self, settings: ModelSettings) -> None:
        """See ``Engine.check_model``."""
        self._engine.check_model(settings)

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters that are loaded."""
        return self._engine.adapters

    @property
    def adapter(self) -> str | None:
        """The adapter in use; None: the base alone."""
        return self._engine.adapter

    def load_adapter(self, name: str, path: Path | str) -> None:
        """See ``Engine.load_adapter``."""
        self._engine.load_adapter(name, Path(path))

    def use_adapter(self, name: str | None) -> None:
        """See ``Engine.use_adapter``."""
        self._engine.use_adapter(name)

    def drop_adapter(self, name: str) -> None:
        """See ``Engine.drop_adapter``."""
        self._engine.drop_adapter(name)

    def _summarize(
        self, histories: Sequence[History], min_evidence: int, shares: np.ndarray | None
    ) -> list[Summary]:
        """Summarize; of foreseen shares, where there is a forecaster. Shape: (B, codes)."""
        chances = None
        if self._forecaster is not None and shares is not None:
            chances = self._forecaster.chances(shares, NEXT_EVENTS)
        return summarize(histories, self._engine, self._codec, min_evidence, chances)

    def _prompt(self, request: Request) -> tuple[str, int]:
        tokens = self._run.encoder.prompts([request])[0]
        return self._run.encoder.tokenizer.decode(tokens), len(tokens)

    def _behaviour_vectors(self) -> np.ndarray:
        head = self._run.sasrec_head
        if head is None:
            return super()._behaviour_vectors()
        items = ItemFeatures.of(self.table, self._trained_on).to(head.item_embedding.weight.device)
        with torch.inference_mode():
            vectors: np.ndarray = head.vectors(items).float().cpu().numpy()
        return normalize_rows(vectors)

    def _take(self, table: SemanticIdTable) -> None:
        self._engine.replace_table(table)
        self._read_with(table)

    def _read_with(self, table: SemanticIdTable) -> None:
        """Encode from now on with a table, and with the words of this catalogue's items."""
        self.table = table
        self._run = with_table(self._run, table, lambda item_id: self._entries.get(item_id))
        # It reads events in brief, which must not take the place of those in full.
        self._codec = SummaryCodec(replace(self._run.encoder, sessions=None))

    def _expected(self, requests: Sequence[Request]) -> np.ndarray:
        """Return what the next event is of, by first code. Shape: (B, codes of a level)."""
        prompts = self._run.encoder.prompts(requests)
        owners = [request.history.user_id for request in requests]
        log_probs = self._engine.code_log_probs(prompts, owners=owners)
        return calibrated(log_probs, self._forecaster)

    def _queries(
        self, requests: Sequence[Request], views: Sequence[View] | None = None
    ) -> list[ItemQuery]:
        candidate_rows: dict[int, np.ndarray] = {}
        queries = []
        prompts = self._run.encoder.prompts(requests, views)
        biases = biases_of(requests, prompts, self._engine.code_log_probs)
        for request, prompt, bias in zip(requests, prompts, biases, strict=True):
            candidates = None
            if request.candidates is not None:
                shared = id(request.candidates)
                if shared not in candidate_rows:
                    candidate_rows[shared] = self.table.candidate_rows(request.candidates)
                candidates = candidate_rows[shared]
            queries.append(
                ItemQuery(
                    prompt,
                    self.table.rows_of(request.forbidden),
                    candidates,
                    bias,
                    self._matches(request),
                    request.history.user_id,
                    request.model,
                    self._popularity_before(request),
                )
            )
        return queries

    def _matches(self, request: Request) -> RowScores:
        """Return what matches a wish and its user's words; the first pays for reading the items."""
        wish, about = request.wish, request.history.about
        if wish is None and about is None:
            return NOTHING
        if self._matcher is None:
            self._matcher = self.table, Matcher(self.items, self.table.review_words)
        elif self._matcher[0] is not self.table:
            self._matcher = self.table, self._matcher[1].covering(self.items)
        matcher = self._matcher[1]
        found = NOTHING if wish is None else matcher.matches(wish)
        if about is None:
            return found
        head = self._run.sasrec_head
        share = (Terms() if head is None else head.terms).about
        return found.plus(matcher.matches(about), share)

    def _popularity_before(self, request: Request) -> RowScores:
        head, popularity = self._run.sasrec_head, self.popularity
        if head is None or popularity is None:
            return NOTHING
        return popularity.before(request.present, head.terms.popularity_days, self.table)


def _open_histories(run: LoadedRun, histories: Any) -> Dataset | FrameHistories:
    if isinstance(histories, Dataset):
        return histories
    if histories is None or isinstance(histories, str | Path):
        return Dataset.load(run.histories if histories is None else histories)
    return FrameHistories(histories)
