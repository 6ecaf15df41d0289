"""Interests in words by a chat model: the same ``Summary``, held against the same evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from genrec.interests.summary import Summary, check_claims
from genrec.schema import History, Request, SemanticId, Trend
from genrec.semantic_ids.profile import MAX_INTERESTS, find_interests
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.chat import ChatModel, JsonForm
from genrec.zero_shot.prompts import PromptWriter, fit
from genrec.zero_shot.repair import any_of, ask_json, literal

MAX_NAMES = 60
"""Interests a prompt lists: those the history shows, then others in the table's order."""


@dataclass(frozen=True)
class Summarizer:
    """Lets a chat model name interests.

    Attributes:
        model: Whom to ask.
        writer: Renders the prompts.
        table: Names of the coarse codes.
        answer_tokens: Room for the answer.
    """

    model: ChatModel
    writer: PromptWriter
    table: SemanticIdTable
    answer_tokens: int = 512

    async def summarize(self, history: History) -> Summary:
        """Say a history's interests; names without evidence are dropped and kept count of.

        Raises:
            Failed: No usable answer; counted in the model's usage.
        """
        supported = find_interests(history, self.table, max_interests=max(1, len(history.events)))
        names = self._names(history)
        context = await self.model.context_tokens()
        room = context - min(self.answer_tokens, context // 2)
        build = self.writer.interests(Request(history), names)
        who = f"the prompt of user '{history.user_id}'"
        chat = await fit(build, history.events, room, self.model.count_tokens, who)
        claimed = await ask_json(
            self.model, chat, _form(names), _read, self.answer_tokens, self.writer.repair
        )
        known = [name for name in claimed if name in names]
        self.model.usage.dropped["interest of no name"] += len(claimed) - len(known)
        summary = check_claims(known, supported)
        self.model.usage.dropped["interest without evidence"] += len(summary.unsupported)
        return summary

    def _names(self, history: History) -> list[str]:
        """Return what may be named: not only what holds, or naming it would be no news."""
        coarse: dict[SemanticId, str] = {
            prefix: name for prefix, name in self.table.names.items() if len(prefix) == 1
        }
        met = dict.fromkeys(
            coarse[self.table.codes_of(event.item_id)[:1]]
            for event in reversed(history.events)
            if self.table.knows(event.item_id) and self.table.codes_of(event.item_id)[:1] in coarse
        )
        listed = dict.fromkeys([*met, *coarse.values()])
        # Their order says nothing about the history.
        return sorted(list(listed)[:MAX_NAMES])


def _form(names: Sequence[str]) -> JsonForm:
    one = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": list(names)},
            "trend": {"type": "string", "enum": list(get_args(Trend))},
        },
        "required": ["name", "trend"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"interests": {"type": "array", "items": one, "maxItems": MAX_INTERESTS}},
        "required": ["interests"],
        "additionalProperties": False,
    }
    opening, name, trend = map(literal, ('{"interests": [', '{"name": ', ', "trend": '))
    rules = [
        f'root ::= {opening} (one (", " one){{0,{MAX_INTERESTS - 1}}})? "]}}"',
        f'one ::= {name} name {trend} trend "}}"',
        f"name ::= {any_of(names)}",
        f"trend ::= {any_of(get_args(Trend))}",
    ]
    grammar = "\n".join([*rules, ""])
    return JsonForm("interests", schema, grammar)


def _read(content: Any) -> list[str]:
    """Return the distinct names; trends are counted from the events, not taken from the model."""
    if not isinstance(content, dict) or not isinstance(content.get("interests"), list):
        raise ValueError('the answer must be {"interests": [...]}')
    names = []
    for entry in content["interests"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ValueError('every interest must be {"name": "...", "trend": "..."}')
        names.append(entry["name"])
    return list(dict.fromkeys(names))
