"""What stands behind the gateway: a tuned run, or a stock chat model asked by prompt."""

from __future__ import annotations

from genrec.artifacts import find_parent, read_manifest
from genrec.config import load_config
from genrec.errors import ConfigError
from genrec.model.load import base_of
from genrec.recommender import Recommender
from genrec.serving.settings import Settings
from genrec.zero_shot.config import ZeroShotConfig
from genrec.zero_shot.recommender import ZeroShotRecommender

AnyRecommender = Recommender | ZeroShotRecommender


def load_recommender(settings: Settings) -> AnyRecommender:
    """Load what the settings name.

    Raises:
        ConfigError: A setting of zero-shot is missing or cannot be served.
        ArtifactError: A run or data set is missing, damaged or another one.
        EngineUnavailable: The server that runs the model does not answer.
    """
    if settings.zero_shot is None:
        return Recommender.load(
            settings.run, settings.device, settings.num_beams, vllm=settings.vllm
        )
    if settings.zero_shot_data is None:
        raise ConfigError("GENREC_ZERO_SHOT needs prepared data: set GENREC_ZERO_SHOT_DATA")
    config = load_config(ZeroShotConfig, settings.zero_shot_config)
    if config.method == "open":
        raise ConfigError(
            "method 'open' names as many items as the model likes, and the gateway promises k; "
            "serve logprob or generate"
        )
    return Recommender.zero_shot(
        settings.zero_shot,
        settings.zero_shot_data,
        config,
        settings.zero_shot_index,
        settings.zero_shot_model,
        device=settings.device,
        raises=True,
    )


def table_hash(settings: Settings) -> str:
    """Return the content hash of the ID table that ``load_recommender`` serves.

    Raises:
        ArtifactError: An artifact is missing or another one.
    """
    if settings.zero_shot is None:
        return read_manifest(find_parent(base_of(settings.run), "index")).content_hash
    if settings.zero_shot_index is not None:
        return read_manifest(settings.zero_shot_index).content_hash
    assert settings.zero_shot_data is not None
    # Made anew at every start, by fixed settings and seeds, from these data.
    return "of-" + read_manifest(settings.zero_shot_data).content_hash
