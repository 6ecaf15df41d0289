"""A PostgreSQL server of one's own, for as long as a benchmark or a test takes.

Debian's package is enough (apt-get install postgresql); no server of the machine's is touched.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class Postgres:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._binaries = find_postgres()
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        folder.chmod(0o755)
        self._data = folder / "data"
        self._data.mkdir()
        if self._user:
            shutil.chown(self._data, self._user)
        self._run("initdb", "-D", self._data, "-U", "genrec", "-A", "trust", "-E", "UTF8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._numbers = itertools.count()
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        options = f"-p {self.port} -k '' -h 127.0.0.1 -c fsync=off"
        self._run(
            "pg_ctl", "-D", self._data, "-o", options, "-l", self._data / "log", "-w", "start"
        )

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"store{next(self._numbers)}"
        url = f"postgresql://genrec@127.0.0.1:{self.port}"
        with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{url}/{name}"

    def _run(self, name: str, *arguments: object) -> None:
        command = [str(self._binaries / name), *map(str, arguments)]
        log = self._data.parent / f"{name}.log"
        with log.open("w") as output:
            done = subprocess.run(
                command, user=self._user, cwd="/", stdout=output, stderr=output, timeout=120
            )
        assert done.returncode == 0, log.read_text()


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """Start a server in a new folder; stop it and remove the folder at the end."""
    # Whoever the server runs as must be able to enter the folder.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
