"""The chat model that introduces answers of ``/v1/chat``, where the gateway has one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genrec.chat import ChatAnswer, ChatReader
from genrec.errors import ConfigError, EngineUnavailable
from genrec.serving.monitoring import Metrics, log
from genrec.serving.settings import Settings
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.talk import Talker, patience

if TYPE_CHECKING:
    from genrec.zero_shot.endpoint import EndpointChat


class Talk:
    """Asks the model in the event loop of the gateway; answers are never lost by it."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Take the settings; the model is looked for with the first answer.

        Raises:
            ConfigError: The address is none.
        """
        self._metrics = metrics
        self._is_connected = False
        self._chat: EndpointChat | None = None
        if settings.talk is not None:
            # Brings openai along, a twelfth of what a gateway imports; most have no such model.
            from genrec.zero_shot.endpoint import EndpointChat

            key = settings.talk_key.get_secret_value() or None
            config = patience(settings.talk_timeout_s)
            self._chat = EndpointChat(settings.talk, config, settings.talk_model, key)

    async def introduce(
        self, answer: ChatAnswer, said: Sequence[str], reader: ChatReader
    ) -> ChatAnswer:
        """Return the answer with an introduction, or as it is where there is none to show."""
        if self._chat is None or not answer.items:
            return answer
        try:
            if not self._is_connected:
                await self._chat.connect()
                self._is_connected = True
            introduced = await Talker(self._chat).write(answer, said, reader)
        except ChatError as error:
            return self._go_without(answer, error.kind, error)
        except EngineUnavailable as error:
            return self._go_without(answer, "away", error)
        except ConfigError as error:
            return self._go_without(answer, "rejected", error)
        self._metrics.introductions.labels("shown").inc()
        return introduced

    async def stop(self) -> None:
        """Close the connections."""
        if self._chat is not None:
            await self._chat.close()

    def _go_without(self, answer: ChatAnswer, kind: str, error: Exception) -> ChatAnswer:
        self._metrics.introductions.labels(kind).inc()
        log("not_introduced", logging.WARNING, kind=kind, message=str(error))
        return answer
