"""An OpenAI-compatible server that hangs, refuses, cuts, mistypes, and sometimes answers.

What it does follows from the question and from how often it was asked, so that a test means the
same every time. Some questions never get an answer.
"""

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG_S = 1.5
FAULTS = (
    *("hang", "429", "429 date", "500", "503", "cut body", "cut json", "wrong type", "no json"),
    *("empty", "content of a number", "content cut", "content prose", "content of another form"),
)
CANDIDATE = re.compile(r'^- "(.*)"$', re.MULTILINE)


class FaultyServer:
    """Runs in threads of its own; ``faults`` may be changed while it runs."""

    def __init__(self, fault_share: float = 0.6, hopeless_share: float = 0.05) -> None:
        self.fault_share = fault_share
        self.hopeless_share = hopeless_share
        self.is_gone = False
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if outer.is_gone:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.reply(200, {"data": [{"id": "toy", "owned_by": "tests"}]})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.handle(self, body)

            def reply(self, status, content, headers=(), cut=0):
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data[: len(data) - cut])
                if cut:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, handler, body: bytes) -> None:
        key = hashlib.sha256(body).hexdigest()
        with self._lock:
            self.seen[key] += 1
            times = self.seen[key]
        fault = self.fault_of(key, times)
        with self._lock:
            self.faults[fault or "none"] += 1
        try:
            self.misbehave(handler, json.loads(body), fault)
        except OSError:
            pass  # the client has hung up

    def fault_of(self, key: str, times: int) -> str | None:
        drawn = int(key[:8], 16) / 16**8
        again = int(hashlib.sha256(f"{key}{times}".encode()).hexdigest()[:8], 16)
        if drawn < self.hopeless_share:
            return ("500", "hang", "429")[again % 3]
        return FAULTS[again % len(FAULTS)] if again / 16**8 < self.fault_share else None

    def misbehave(self, handler, question, fault) -> None:
        good = self.complete(self.rank(question["messages"]))
        if fault == "hang":
            time.sleep(HANG_S)
            handler.reply(200, good)
        elif fault == "429":
            handler.reply(429, {"error": {"message": "slow down"}}, [("Retry-After", "0.05")])
        elif fault == "429 date":
            past = "Wed, 21 Oct 2015 07:28:00 GMT"
            handler.reply(429, {"error": "slow down"}, [("Retry-After", past)])
        elif fault in ("500", "503"):
            handler.reply(int(fault), b"<html>oops</html>")
        elif fault == "cut body":
            handler.reply(200, good, cut=25)
        elif fault == "cut json":
            handler.reply(200, json.dumps(good).encode()[:-25])
        elif fault == "wrong type":
            handler.reply(200, {"choices": "none"})
        elif fault == "no json":
            handler.reply(200, b"hello")
        elif fault == "empty":
            handler.reply(200, {"choices": []})
        elif fault == "content of a number":
            handler.reply(200, self.complete(5))
        elif fault == "content cut":
            handler.reply(200, self.complete(self.rank(question["messages"])[:-9]))
        elif fault == "content prose":
            handler.reply(200, self.complete("I would rather talk about the weather."))
        elif fault == "content of another form":
            handler.reply(200, self.complete('{"ranking": {"first": 1}}'))
        else:
            handler.reply(200, good)

    def rank(self, messages) -> str:
        asked = next(turn["content"] for turn in messages if turn["role"] == "user")
        titles = CANDIDATE.findall(asked.partition("Candidates:")[2])
        return json.dumps({"ranking": titles[::-1]}, ensure_ascii=False)

    def complete(self, content):
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return {"choices": [{"index": 0, "message": {"content": content}}], "usage": usage}
