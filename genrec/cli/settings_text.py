"""A class of settings as the lines of a YAML file, each setting under what it means."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


def settings_of(name: str) -> type[BaseModel]:
    """Return a class of settings by its full name, such as "genrec.graph.config:GraphConfig"."""
    kind: type[BaseModel] = resolve_name(name)
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
