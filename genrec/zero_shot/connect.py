"""Find a chat model by URL, folder or name."""

from __future__ import annotations

from typing import Unpack

from genrec.errors import ConfigError
from genrec.zero_shot.chat import ChatModel
from genrec.zero_shot.config import ChatOptions, ZeroShotConfig
from genrec.zero_shot.event_loop import EventLoop


def connect_chat(
    model: str, config: ZeroShotConfig, loop: EventLoop, **options: Unpack[ChatOptions]
) -> ChatModel:
    """Connect to a URL, or load a model by name or folder.

    Args:
        model: URL of an OpenAI-compatible server, "smollm2", a folder or a Hugging Face name.
        config: How it is asked.
        loop: In which a server is asked from now on.
        **options: See ``ChatOptions``.

    Raises:
        ConfigError: The model cannot be loaded, or the server refuses; or answers are to be kept
            of a model in this process.
        EngineUnavailable: Nothing answers at the URL.
    """
    if model.startswith(("http://", "https://")):
        from genrec.zero_shot.endpoint import EndpointChat

        name, api_key = options.get("model_name"), options.get("api_key")
        return loop.run(EndpointChat(model, config, name, api_key).connect())
    if config.cache is not None:
        raise ConfigError(
            "a model in this process keeps no answers: leave --cache, or serve the model and give "
            "its URL"
        )
    from genrec.zero_shot.local import LocalChat

    chat = LocalChat(model, options.get("device"), config.dtype)
    chat.usage.prompt_price = config.prompt_price
    chat.usage.answer_price = config.answer_price
    return chat
