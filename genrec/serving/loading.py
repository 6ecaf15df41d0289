"""Load what the service answers from: a trained run or a prompted chat model, items and users."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genrec.artifacts import find_parent, read_manifest
from genrec.config import load_config
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.load import base_of, trained_on
from genrec.pretrained.hub import find_model
from genrec.recommender import Recommender
from genrec.schema import History, Request
from genrec.serving.catalogue import Catalogue
from genrec.serving.histories import Histories, PreparedUsers
from genrec.serving.settings import Settings
from genrec.serving.store import ChangeLog, EventStore, Position
from genrec.zero_shot.config import ZeroShotConfig
from genrec.zero_shot.recommender import ZeroShotRecommender

AnyRecommender = Recommender | ZeroShotRecommender


@dataclass(frozen=True)
class Loaded:
    """What one run serves.

    Attributes:
        model: Content hash of the run, or the name of the chat model.
        trained_on: What the model learned from; of a chat model, what it is prompted from.
    """

    model: str
    trained_on: Dataset
    recommender: AnyRecommender
    catalogue: Catalogue
    histories: Histories


def load(settings: Settings, events: EventStore, changes: ChangeLog, store_id: str) -> Loaded:
    """Load the recommender, do what the change log holds, and warm the model up.

    Raises:
        GenrecError: See ``load_recommender``.
    """
    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    recommender = load_recommender(settings)
    catalogue = Catalogue(recommender, changes, table_hash(settings))
    catalogue.catch_up()
    data = recommender.data
    # What of this store was joined with the prepared data must not be read a second time.
    known = Position.of(data.manifest.config if data.has_events else {}, store_id)
    prepared = PreparedUsers(data)
    # The first pass through a model is slow; no user should wait for it.
    if isinstance(recommender, ZeroShotRecommender):
        recommender.ping()
    else:
        recommender.rank_many([Request(History("", ()))], 1)
    histories = Histories(prepared, events, settings.max_history_events, known.events)
    return Loaded(model_name(settings), training_data(settings), recommender, catalogue, histories)


def load_recommender(settings: Settings) -> AnyRecommender:
    """Load what the settings name.

    Raises:
        ConfigError: A setting of zero-shot is missing or cannot be served.
        ArtifactError: A run or data set is missing, damaged or another one.
        EngineUnavailable: The server that runs the model does not answer.
    """
    if settings.zero_shot is None:
        return Recommender.from_pretrained(
            settings.run,
            settings.device,
            settings.num_beams,
            vllm=settings.vllm,
            histories=settings.histories,
            arithmetic="auto" if settings.vllm else settings.arithmetic,
            session_cache_mb=settings.session_cache_mb,
        )
    if settings.zero_shot_data is None:
        raise ConfigError("GENREC_ZERO_SHOT needs prepared data: set GENREC_ZERO_SHOT_DATA")
    config = load_config(ZeroShotConfig, settings.zero_shot_config)
    if config.method == "open":
        raise ConfigError(
            "method 'open' names as many items as the model likes, and the server promises k; "
            "serve logprob or generate"
        )
    return Recommender.zero_shot(
        settings.zero_shot,
        settings.zero_shot_data,
        config,
        settings.zero_shot_index,
        model_name=settings.zero_shot_model,
        device=settings.device,
        raises=True,
    )


def model_name(settings: Settings) -> str:
    """Return what tells the model that ``load_recommender`` serves from every other one.

    Raises:
        ArtifactError: The run is missing.
    """
    return settings.zero_shot or read_manifest(find_model(settings.run)).content_hash


def training_data(settings: Settings) -> Dataset:
    """Return the data that the model learned from, whoever it serves.

    Raises:
        ArtifactError: They are missing.
    """
    if settings.zero_shot is not None:
        assert settings.zero_shot_data is not None
        return Dataset.load(settings.zero_shot_data)
    run = find_model(settings.run)
    return Dataset.load(trained_on(run) or find_parent(find_parent(base_of(run), "index"), "data"))


def table_hash(settings: Settings) -> str:
    """Return the content hash of the ID table that ``load_recommender`` serves.

    Raises:
        ArtifactError: An artifact is missing or another one.
    """
    if settings.zero_shot is None:
        return table_hash_of(find_model(settings.run))
    if settings.zero_shot_index is not None:
        return read_manifest(settings.zero_shot_index).content_hash
    assert settings.zero_shot_data is not None
    # The table is rebuilt at every start from these data, with fixed settings and seeds.
    return "of-" + read_manifest(settings.zero_shot_data).content_hash


def table_hash_of(run: Path) -> str:
    """Return the content hash of a run's ID table.

    Raises:
        ArtifactError: An artifact is missing or another one.
    """
    return read_manifest(find_parent(base_of(run), "index")).content_hash
