"""An OpenAI-compatible server that says what a function says, or does what none should."""

import json
import time
from collections.abc import Callable

from tests.zero_shot.faulty_server import HANG_S, FaultyServer


class TalkServer(FaultyServer):
    """``write`` is what answers; it may be changed while the server runs."""

    def __init__(self, write: Callable[[list[dict]], str]) -> None:
        self.write = write
        super().__init__()

    def handle(self, handler, body: bytes) -> None:
        try:
            handler.reply(200, self.complete(self.write(json.loads(body)["messages"])))
        except OSError:
            pass  # the client has hung up


class Refusing(TalkServer):
    """Knows no key."""

    def handle(self, handler, body: bytes) -> None:
        handler.reply(401, {"error": {"message": "no such key"}})


def hang(_: list[dict]) -> str:
    """Take longer than anybody waits."""
    time.sleep(HANG_S)
    return "Here they are."


def say(client, text, k=2, **body):
    """Say something to a gateway, and return its answer."""
    messages = [{"role": "user", "content": text}]
    answer = client.post("/v1/chat", json={"events": [], "messages": messages, "k": k, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()
