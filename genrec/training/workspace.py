"""The folder beside the output that a training lives in until it is finished.

It knows the settings and the artifacts that it was made from, so that a run that was cut off only
goes on where nothing has changed, and it keeps a note of every time that it went on.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genrec.artifacts import read_manifest
from genrec.config import dump_yaml
from genrec.errors import ConfigError
from genrec.training.config import TrainConfig


class Workspace:
    """Checkpoints, tokenized samples, best weights and logs of one training."""

    def __init__(self, config: TrainConfig) -> None:
        self.path = config.out.parent / f".{config.out.name}.training"
        self.corpus = self.path / "corpus.arrow"
        self.best = self.path / "best.pt"
        self.last = self.path / "last.pt"
        self._resumed = self.path / "resumed.json"
        self._config = config

    def open(self) -> None:
        """Make the folder, or go on in it if the same run was cut off.

        Raises:
            ConfigError: Another run was cut off here, or one on other data or another base.
            ArtifactError: Data or base are missing or damaged.
        """
        settings, sources = self.path / "config.yaml", self.path / "made_from.json"
        text, hashes = dump_yaml(self._config), self._hashes()
        if settings.exists() and settings.read_text(encoding="utf-8") != text:
            raise ConfigError(
                f"{self.path} holds an unfinished run with other settings; remove it, or start "
                f"with the settings in {settings} to go on"
            )
        before = json.loads(sources.read_text(encoding="utf-8")) if sources.exists() else hashes
        if changed := [name for name in hashes if before.get(name) != hashes[name]]:
            was = ", ".join(f"{name} {before.get(name)} is now {hashes[name]}" for name in changed)
            raise ConfigError(
                f"{self.path} holds an unfinished run on what has changed since ({was}); remove "
                "it to start anew"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        settings.write_text(text, encoding="utf-8")
        sources.write_text(json.dumps(hashes), encoding="utf-8")

    def _hashes(self) -> dict[str, str]:
        """Return the content hashes of all that the run reads, by kind."""
        base = read_manifest(self._config.base)
        parents = {kind: parent["content_hash"] for kind, parent in base.parents.items()}
        data = read_manifest(self._config.data).content_hash
        return {**parents, "base": base.content_hash, "data": data}

    def checkpoints(self) -> list[Path]:
        """Return finished checkpoints, oldest first."""
        found = self.path.glob("checkpoint-*")
        return sorted(found, key=lambda path: int(path.name.split("-")[1]))

    def note_resumed(self, step: int) -> None:
        """Keep in mind that the run went on now, from a number of steps done."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps([*self.resumed(), {"at": now, "step": step}])
        self._resumed.write_text(text, encoding="utf-8")

    def resumed(self) -> list[dict[str, Any]]:
        """Return when ("at") the run went on and from which "step", oldest first."""
        if not self._resumed.exists():
            return []
        notes: list[dict[str, Any]] = json.loads(self._resumed.read_text(encoding="utf-8"))
        return notes

    def keep_logs(self, directory: Path) -> None:
        """Copy what the trackers wrote into the finished artifact."""
        logs = self.path / "logs"
        if logs.exists():
            shutil.copytree(logs, directory / "logs")

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
