"""Settings: typed classes with defaults, one YAML file, dotted overrides.

load_config(TrainConfig, "train/configs/pretrain.yaml", ["epochs=3", "mixture.titles=0.5"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from genrec.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)


def load_config(
    kind: type[Config],
    file: Path | None,
    overrides: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Config:
    """Build a configuration: defaults, then the file, then the overrides.

    Args:
        kind: The configuration class.
        file: YAML file; None for defaults alone.
        overrides: Such as "optimizer.learning_rate=1e-3"; values are read as YAML.
        defaults: In place of those of the class.

    Raises:
        ConfigError: A missing file, an unknown key or a wrong type; the message names it.
    """
    values = dict(defaults or {})
    if file is not None:
        values |= _read_yaml(Path(file))
    for override in overrides:
        _apply(values, override)
    return load_values(kind, values)


def load_values(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from class defaults and values.

    Raises:
        ConfigError: An unknown key or a wrong type; the message names it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or kind.__name__
        known = ", ".join(kind.model_fields)
        raise ConfigError(
            f"setting '{where}': {first['msg']} (got {first['input']!r}); "
            f"settings at the top level: {known}"
        ) from None


def dump_yaml(config: BaseModel) -> str:
    """Return the resolved configuration as YAML."""
    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"config file {file} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {file} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"config file {file} must hold 'name: value' pairs")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"override '{override}' must be written name=value")
    *parents, name = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override '{override}': '{parent}' is not a group of settings")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override '{override}': the value is not YAML: {error}") from None
    # YAML 1.1 reads 1e-3 as text.
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            pass
    values[name] = value
