"""From settings and a URL to a chat model that answered once."""

from __future__ import annotations

import os

from genrec.errors import EngineUnavailable
from genrec.zero_shot.cache import AnswerCache
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.client import RetryPolicy
from genrec.zero_shot.config import ZeroShotConfig
from genrec.zero_shot.endpoint import EndpointChat
from genrec.zero_shot.event_loop import EventLoop
from genrec.zero_shot.usage import Usage

API_KEY_VARIABLE = "OPENAI_API_KEY"


def connect(
    url: str, config: ZeroShotConfig, model_name: str | None, api_key: str | None, loop: EventLoop
) -> EndpointChat:
    """Connect to a server.

    Args:
        url: Of an OpenAI-compatible server.
        config: How it is asked.
        model_name: What it calls the model; None: the first it serves.
        api_key: None: the variable OPENAI_API_KEY.
        loop: The connections belong to.

    Raises:
        ConfigError: The server refuses.
        EngineUnavailable: Nothing answers.
    """
    policy = RetryPolicy(
        config.concurrency,
        config.timeout_s,
        config.attempts,
        config.deadline_s,
        config.first_wait_s,
    )
    cache = None if config.cache is None else AnswerCache(config.cache)
    usage = Usage(config.prompt_price, config.answer_price)
    key = api_key or os.environ.get(API_KEY_VARIABLE)
    chat = EndpointChat(url, model_name, key, policy, cache, config.context_tokens, usage)
    try:
        return loop.run(chat.connect())
    except ChatError as failed:
        raise EngineUnavailable(
            f"{url} does not answer ({failed}); is an OpenAI-compatible server running there?"
        ) from None
