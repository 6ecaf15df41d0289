"""``genrec config``: every setting of a stage with its default and what it means."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Annotated, Any, get_args

import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from genrec.errors import ConfigError

_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


# Each is imported when it is asked for: some bring torch along.
STAGES = {
    "toy": "genrec.data.toy:ToyConfig",
    "prepare": "genrec.data.config:PrepareConfig",
    "index": "genrec.semantic_ids.config:IndexConfig",
    "base": "genrec.model.base:BaseConfig",
    "pretrain": "genrec.training.config:TrainConfig",
    "sft": "genrec.training.config:TrainConfig",
    "graph": "genrec.graph.config:GraphConfig",
    "zero-shot": "genrec.zero_shot.config:ZeroShotConfig",
    "serve": "genrec.serving.settings:Settings",
}


def config(name: Annotated[str, typer.Argument(help=", ".join(STAGES))]) -> None:
    """Print every setting of a stage with default and meaning, as YAML that --config takes."""
    if name not in STAGES:
        raise ConfigError(f"no stage '{name}'; stages are {', '.join(STAGES)}")
    for line in describe(settings_of(name)):
        typer.echo(line)


def settings_of(stage: str) -> type[BaseModel]:
    """Return the class of a stage's settings."""
    kind: type[BaseModel] = resolve_name(STAGES[stage])
    return kind


def describe(kind: type[BaseModel], indent: str = "") -> Iterator[str]:
    """Yield the lines of a class of settings: meaning as a comment, then name and default."""
    meanings = meanings_of(kind)
    for name, field in kind.model_fields.items():
        yield from (f"{indent}# {line}" for line in textwrap.wrap(meanings.get(name, ""), 90))
        group = _group(field)
        if group is not None:
            yield f"{indent}{name}:"
            yield from describe(group, indent + "  ")
        else:
            yield f"{indent}{name}: {_default(field)}"


def meanings_of(kind: type[BaseModel]) -> dict[str, str]:
    """Return what each setting means: its description, or its entry in a class's docstring."""
    meanings: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        last = ""
        for line in inspect.cleandoc(each.__doc__ or "").splitlines():
            if found := _ATTRIBUTE.match(line):
                last = found[1]
                meanings[last] = found[2]
            elif last and line.startswith("        "):
                meanings[last] += " " + line.strip()
            else:
                last = ""
    described = {
        name: field.description for name, field in kind.model_fields.items() if field.description
    }
    return {**meanings, **described}


def _group(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a group of settings that is on by default."""
    kinds = [field.annotation, *get_args(field.annotation)]
    groups = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
    return groups[0] if groups and field.get_default(call_default_factory=True) else None


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "REQUIRED"
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = list(value)
    if not isinstance(value, str | int | float | bool | list | dict | None):
        value = str(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()
