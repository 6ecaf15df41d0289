"""LoRA adapters of a model in this process: load, switch and drop, without reloading the base."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from genrec.errors import ConfigError
from genrec.model.load import damaged
from genrec.model.lora import HEAD_KIND, check_adapter
from genrec.model.lora_layers import has_adapter, merge_adapter

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass
class _State:
    """What copies of an engine share, since adapters change the very layers of their model.

    Attributes:
        model: Runs with the adapter in use.
        adapter: Its name; None: the base alone.
        running: The one that the model runs with right now; another one while a query asks for it.
        loads: How many adapters were loaded so far.
        load_of: Which of these each loaded one was.
        heads_only: Adapters that leave the model as it is.
        merged: The adapter that is part of the weights just now.
    """

    model: Any
    adapter: str | None
    running: str | None
    loads: int = 0
    load_of: dict[str, int] = field(default_factory=dict)
    heads_only: list[str] = field(default_factory=list)
    merged: str | None = None


class AdaptedModel:
    """A model and the adapters on it; copies share both."""

    def __init__(self, model: Any, base: Path) -> None:
        """Take over a model.

        Args:
            model: A full model, or one with an adapter in use.
            base: The artifact of the full model.
        """
        adapter = model.active_adapter if has_adapter(model) else None
        self._state = _State(model, adapter, adapter)
        self._base = base

    @property
    def model(self) -> Any:
        """Runs with the adapter in use, or with the one of ``answering``."""
        return self._state.model

    @property
    def running(self) -> str | None:
        """Name of the adapter that the model runs with right now."""
        return self._state.running

    @property
    def adapter(self) -> str | None:
        """Name of the adapter in use; None: the base alone."""
        return self._state.adapter

    @property
    def weights(self) -> str:
        """What the model runs with: equal only where it computes the same."""
        name = self.running
        if name is None or name in self._state.heads_only:
            return "base"
        return f"{name} {self._state.load_of.get(name, 0)}"

    @property
    def adapters(self) -> list[str]:
        """See ``Engine``; those that leave the model as it is come last."""
        return [*self._on_model, *self._state.heads_only]

    @property
    def _on_model(self) -> list[str]:
        return list(self.model.peft_config) if has_adapter(self.model) else []

    def merge_adapter(self) -> None:
        """Answer faster with the adapter in use, until another one or the base alone is wanted."""
        if merge_adapter(self.model):
            self._state.merged = self.adapter

    @contextmanager
    def answering(self, name: str | None) -> Iterator[None]:
        """Run with an adapter for a while; afterwards with the one in use again.

        Args:
            name: Of a loaded adapter; None: the one in use.

        Raises:
            ConfigError: It is not loaded.
        """
        if name in (None, self.adapter):
            yield
            return
        check_loaded(name, self.adapters)
        self._run_with(name)
        try:
            yield
        finally:
            self._run_with(self.adapter)

    def load_adapter(self, name: str, path: Path) -> None:
        """See ``Engine.load_adapter``."""
        check_new(name, self.adapters)
        if check_adapter(path, self._base).kind == HEAD_KIND:
            self._state.heads_only.append(name)
            return
        self._unmerge()
        options: dict[str, Any] = {"adapter_name": name, "torch_device": str(self.model.device)}
        try:
            if has_adapter(self.model):
                self.model.load_adapter(str(path), **options)
            else:
                from peft import PeftModel

                adapted = PeftModel.from_pretrained(self.model, str(path), **options)
                self._state.model = adapted.eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            if name in self._on_model:
                self.model.delete_adapter(name)
            raise damaged(path, error) from None
        finally:
            self._run_with(self.adapter)
        # A name that is used again stands for other weights.
        self._state.loads += 1
        self._state.load_of[name] = self._state.loads

    def use_adapter(self, name: str | None) -> None:
        """See ``Engine.use_adapter``."""
        if name is not None:
            check_loaded(name, self.adapters)
        self._run_with(name)
        self._state.adapter = name

    def drop_adapter(self, name: str) -> None:
        """See ``Engine.drop_adapter``."""
        check_idle(name, self.adapters, self.adapter)
        if name in self._state.heads_only:
            self._state.heads_only.remove(name)
            return
        others = [other for other in self._on_model if other != name]
        if others:
            self.model.set_adapter(self.adapter if self.adapter in others else others[0])
            self.model.delete_adapter(name)
        else:  # PEFT's wrapper cannot stand without any.
            self._state.model = self.model.unload()
        self._run_with(self.adapter)

    def _run_with(self, name: str | None) -> None:
        is_merged = name is not None and name == self._state.merged
        if has_adapter(self.model) and not is_merged:
            self._unmerge()
            layers: Any = self.model.base_model
            if name not in self._on_model:
                layers.disable_adapter_layers()
            else:
                layers.enable_adapter_layers()
                self.model.set_adapter(name)
        self._state.running = name

    def _unmerge(self) -> None:
        if self._state.merged is not None:
            self.model.unmerge_adapter()
            self._state.merged = None


def check_name(name: str) -> None:
    """Check that a name can be an adapter's.

    Raises:
        ConfigError: It is not.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"'{name}' is no adapter name; use 1 to 64 letters, digits, '-' and '_'")


def check_new(name: str, loaded: Collection[str]) -> None:
    """Check that an adapter can be loaded under a name.

    Raises:
        ConfigError: It is not a name, or is taken.
    """
    check_name(name)
    if name in loaded:
        raise ConfigError(f"an adapter '{name}' is loaded already; choose another name")


def check_loaded(name: str | None, loaded: Collection[str]) -> None:
    """Check that an adapter is there.

    Raises:
        ConfigError: It is not.
    """
    if name not in loaded:
        there = ", ".join(loaded) or "none"
        raise ConfigError(f"no adapter '{name}' is loaded (loaded: {there}); load it first")


def check_idle(name: str, loaded: Collection[str], in_use: str | None) -> None:
    """Check that an adapter can be dropped.

    Raises:
        ConfigError: It is in use, or not there.
    """
    check_loaded(name, loaded)
    if name == in_use:
        raise ConfigError(f"adapter '{name}' is in use; switch to another one or to none first")
