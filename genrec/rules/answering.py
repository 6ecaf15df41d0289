"""The rule that says how the model answers: with which adapter, how wide a search, which weights.

    {"answer_with": {"adapter": "updates/7", "num_beams": 20, "sasrec_weight": 0.3}}

What is left out is as for every other request. Beside an ``"arm"`` such a rule makes the arms of an
experiment adapters or settings, as any other rule makes them rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from genrec.arguments import check_count, check_real, check_text, wrong_type
from genrec.errors import DataError
from genrec.schema import AS_SERVED, ModelSettings

ANSWER_WITH = "answer_with"
MAX_BEAMS = 10_000
_SETTINGS = ("adapter", "num_beams", "sasrec_weight")


@dataclass(frozen=True, slots=True)
class AnswerWith:
    """How the model answers; see ``ModelSettings``.

    On a gateway the adapter is a path below its folder of adapters until it is settled
    (``genrec.serving.rules``); in Python it is the name of one that is loaded.
    """

    settings: ModelSettings


def read_answer_with(written: Mapping[str, Any], name: str) -> AnswerWith:
    """Return what a rule says of the model.

    Raises:
        DataError: It says nothing, or what cannot be used.
    """
    name, given = f"{name}.{ANSWER_WITH}", written[ANSWER_WITH]
    if not isinstance(given, Mapping) or not given or not set(given) <= {*_SETTINGS}:
        raise wrong_type(given, name, f"an object of one or more of {', '.join(_SETTINGS)}")
    settings = AS_SERVED
    if "adapter" in given:
        adapter = check_text(given["adapter"], f"{name}.adapter")
        if not adapter:
            raise DataError(f"{name}.adapter is empty; name an adapter, or leave it out")
        settings = replace(settings, adapter=adapter)
    if "num_beams" in given:
        num_beams = check_count(given["num_beams"], f"{name}.num_beams", MAX_BEAMS)
        settings = replace(settings, num_beams=num_beams)
    if "sasrec_weight" in given:
        where = f"{name}.sasrec_weight"
        weight = check_real(given["sasrec_weight"], where, "a weight from 0 to 1", 0, 1)
        settings = replace(settings, sasrec_weight=weight)
    return AnswerWith(settings)


def join_settings(settings: ModelSettings, more: ModelSettings) -> ModelSettings:
    """Return what two rules say of the model together.

    Raises:
        DataError: They say different of one setting.
    """
    for each in _SETTINGS:
        value, other = getattr(settings, each), getattr(more, each)
        if None not in (value, other) and value != other:
            raise DataError(f"rules contradict each other: two say different of '{each}'")
        if value is None:
            settings = replace(settings, **{each: other})
    return settings
