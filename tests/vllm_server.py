"""One real vLLM server for all tests that need one, in the environment that has vLLM.

vLLM lives in an environment of its own (``make setup-vllm``), since its CPU build asks for
packages that clash with a CPU torch; ``GENREC_VLLM_PYTHON`` names another. Without one the tests
that need it are skipped.
"""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from tests.free_port import free_port

ROOT = Path(__file__).parents[1]
VLLM_PYTHON = Path(os.environ.get("GENREC_VLLM_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))
ENVIRONMENT = {
    **os.environ,
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
START_LIMIT_S = 900


@pytest.fixture(scope="session")
def vllm() -> None:
    """What every test with a server of vLLM asks for: skips where there is no environment for it.

    Such tests run one after another in one worker (``tests/conftest.py``): a server takes
    gigabytes, and both cores when it starts.
    """
    if not VLLM_PYTHON.exists():
        pytest.skip(f"no vLLM at {VLLM_PYTHON}; run make setup-vllm or set GENREC_VLLM_PYTHON")


@dataclass
class Server:
    """A running ``python -m genrec.engines.vllm``.

    A subclass names another module, the arguments it needs, and the path that answers first.
    """

    module: ClassVar = "genrec.engines.vllm"
    fixed: ClassVar[tuple[str, ...]] = ()
    ready_path: ClassVar = "/genrec"

    url: str
    command: list[str]
    log: Path
    process: subprocess.Popen | None = None

    @classmethod
    def start(cls, base: Path, log: Path, *arguments: str) -> "Server":
        port = free_port()
        command = [
            *(str(VLLM_PYTHON), "-m", cls.module, "--model", str(base), *cls.fixed),
            *("--host", "127.0.0.1", "--port", str(port), *arguments),
        ]
        server = cls(f"http://127.0.0.1:{port}", command, log)
        server.start_again()
        return server

    def start_again(self) -> None:
        """Start it where it was, in a process group of its own, so that all of it can be killed."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self.command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                cwd=self.log.parent,
                start_new_session=True,
            )
        self.wait_until_ready()

    def kill(self) -> None:
        """Kill all of its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait_until_ready(self) -> None:
        """Wait for the first answer; fail with the server's own last words."""
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}{self.ready_path}", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        words = self.log.read_text(errors="replace")[-4000:]
        self.stop()
        pytest.fail(f"the vLLM server did not start:\n{words}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()


@pytest.fixture(scope="session")
def vllm_server(vllm, moved, tmp_path_factory) -> Server:
    """A server of the chain's base, in float32, from a folder moved from where it was made."""
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    server = Server.start(moved.folder / "base", log, "--dtype", "float32")
    yield server
    server.stop()
