"""The templates of ``prompts/``: loading, quoting of untrusted values, rendering.

Knows nothing of tokens or models. See ``prompts/README.md`` for the rules it enforces.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

import jinja2

from genrec.errors import PromptError

USER_MARKER = "<|user|>"
ITEM_MARKER = "<|item|>"
TITLE_MARKER = "<|title|>"
INTERESTS_MARKER = "<|interests|>"
END_MARKER = "<|end|>"
EVENT_BREAK = "\n"
"""Opens every event's segment (``stream/event.jinja``); quoted text cannot hold it."""
MARKERS = (USER_MARKER, ITEM_MARKER, TITLE_MARKER, INTERESTS_MARKER, END_MARKER)

TRAINED = ("stream", "tasks")
"""Folders of the templates that models are trained on."""
LATER = ("stream/search.jinja", "stream/item_title.jinja", "stream/about.jinja")
"""Templates in the order they came: bases made before one never read it, nor those after it."""

# Every character that some Unicode normalization of a tokenizer could turn into "<".
_QUOTED = str.maketrans({**dict.fromkeys("<＜﹤≮", "‹"), '"': "”"})
# But for white space, such as a vertical tab, which must go on separating words.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")


class Structure(str):
    """Text that may hold special tokens because we wrote it."""


def quote(value: object, max_chars: int | None = None) -> str:
    """Make an untrusted value safe to stand inside a template; what we wrote stays as it is.

    Returns:
        The text without control or lone surrogate characters, ``<`` and ``"`` replaced by
        look-alikes, at most ``max_chars`` long (an ellipsis marks a cut, which is made between
        words unless the last one takes most of the room).
    """
    if isinstance(value, Structure):
        return value
    text = " ".join(_UNPRINTABLE.sub("", str(value).translate(_QUOTED)).split())
    if max_chars is not None and len(text) > max_chars:
        kept = text[:max_chars]
        border = kept.rfind(" ")
        text = kept[: border if 2 * border >= max_chars else max_chars - 1].rstrip() + "…"
    return text


def fingerprint(left_out: Collection[str] = ()) -> str:
    """Return a hash of the templates that a trained model reads: those of streams and tasks.

    Args:
        left_out: Templates that count for nothing, such as "stream/search.jinja".
    """
    digest = hashlib.sha256()
    for folder in TRAINED:
        for path in sorted((prompts_directory() / folder).glob("*.jinja")):
            name = f"{folder}/{path.name}"
            if name not in left_out:
                digest.update(f"{name}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_current(known: str | None) -> bool:
    """Tell whether a model that was trained under a fingerprint can read today's templates."""
    return any(known == fingerprint(LATER[place:]) for place in range(len(LATER) + 1))


def prompts_directory() -> Path:
    """Return the folder of templates: inside an installed wheel, or the repository's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(prompts_directory()),
        finalize=quote,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )


@cache
def _template(name: str) -> jinja2.Template:
    try:
        return _environment().get_template(f"{name}.jinja")
    except jinja2.TemplateError as error:
        raise PromptError(f"template {name}.jinja in {prompts_directory()}: {error}") from None


def render(name: str, **values: object) -> str:
    """Render a template by name, such as "stream/event".

    Raises:
        PromptError: No such template, or a variable it needs is missing.
    """
    try:
        return _template(name).render(**values)
    except jinja2.TemplateError as error:
        raise PromptError(f"template {name}.jinja: {error}") from None


def render_blocks(name: str, **values: object) -> dict[str, str]:
    """Render every block of a template by itself, such as the parts of a chat.

    The parts come apart by the template's structure: no value can begin another part.

    Returns:
        Text by the block's name, in the template's order.

    Raises:
        PromptError: No such template, or a variable it needs is missing.
    """
    try:
        template = _template(name)
        context = template.new_context(values)
        return {block: "".join(parts(context)) for block, parts in template.blocks.items()}
    except jinja2.TemplateError as error:
        raise PromptError(f"template {name}.jinja: {error}") from None
