"""LoRA adapters of a running server: checked against the served base, then given to vLLM.

They are vLLM's own, so any OpenAI client can name one as its model.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest, UnloadLoRAAdapterRequest

from genrec.engines.adapters import check_name
from genrec.errors import ArtifactError, ConfigError
from genrec.model.lora import check_adapter


class UnknownAdapter(ConfigError):
    """No adapter of this name is loaded."""


class ServerAdapters:
    """The adapters of one API server."""

    def __init__(self, models: Any, base: Path) -> None:
        """Take vLLM's registry of models.

        Args:
            models: vLLM's ``OpenAIServingModels``.
            base: Folder of the served base.
        """
        self._models, self._base = models, base
        self._hashes: dict[str, str] = {}
        self._loads: dict[tuple[str, str], list[str]] = {}
        self._turn = asyncio.Lock()

    @property
    def names(self) -> list[str]:
        """Loaded adapters, in the order they came."""
        return list(self._models.lora_requests)

    def request(self, name: str | None) -> Any:
        """Return what vLLM wants with a request; None for the base alone.

        Raises:
            UnknownAdapter: Not loaded.
        """
        if name is None:
            return None
        if (adapter := self._models.lora_requests.get(name)) is None:
            loaded = ", ".join(self.names) or "none"
            raise UnknownAdapter(f"no adapter '{name}' is loaded (loaded: {loaded}); load it first")
        return adapter

    async def load(self, name: str, path: Path) -> None:
        """Load an adapter; the same one again under its name is no error.

        Raises:
            ArtifactError: Missing, damaged, or made for another base or ID table.
            ConfigError: The name is taken or not a name, or the server runs without LoRA.
        """
        check_name(name)
        content = check_adapter(path, self._base).content_hash
        async with self._turn:
            if name in self.names:
                if self._hashes.get(name) != content:
                    raise ConfigError(f"another adapter '{name}' is loaded; choose another name")
                return
            request = LoadLoRAAdapterRequest(
                lora_name=name, lora_path=self._path_for_cache(name, str(path), content)
            )
            answer = await self._models.load_lora_adapter(request)
            if isinstance(answer, ErrorResponse):
                raise ArtifactError(f"vLLM cannot load {path}: {answer.error.message}")
            self._hashes[name] = content

    async def drop(self, name: str) -> None:
        """Forget an adapter; requests that run with it end undisturbed.

        Raises:
            UnknownAdapter: Not loaded.
        """
        async with self._turn:
            self.request(name)
            await self._models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=name))

    def _path_for_cache(self, name: str, path: str, content: str) -> str:
        """Spell a path anew when other weights lie there than the last time.

        vLLM's prefix cache tells adapters apart by name and path, so an adapter trained again in
        place would be answered from what the old one computed.
        """
        contents = self._loads.setdefault((name, path), [])
        if content not in contents:
            contents.append(content)
        return path + "/." * contents.index(content)
