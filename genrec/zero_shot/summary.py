"""Summaries by a chat model, in the format and with the checks of a tuned model's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from genrec.interests.profile.buckets import SUMMARY_LISTS
from genrec.interests.summary.check import Summary, check_summary, coarse_names
from genrec.interests.summary.codec import MAX_NAMED
from genrec.interests.summary.schema import MAX_SUMMARY_CHARS, SummaryContent, json_schema
from genrec.schema import MIN_EVIDENCE, History, Request
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.chat import ChatModel, ResponseFormat
from genrec.zero_shot.json_answers import PLAIN_CHARS, any_of, literal, request_json
from genrec.zero_shot.prompts import PromptWriter, fit
from genrec.zero_shot.quoting import quote_text

MAX_NAMES = 60
"""Interests listed in a prompt: those in the history, then others in the order of the table."""
MAX_CITED = 4
"""Maximum number of events cited for an interest."""
_LOOP = re.compile(r"(?<!\S)(\S+(?: \S+){0,3}?)(?: \1(?!\S)){2,}")
"""Up to four words, said three times in a row or more."""


@dataclass(frozen=True)
class Summarizer:
    """Has a chat model name interests.

    Attributes:
        model: The chat model.
        writer: Renders the prompts.
        table: Names of the coarse codes.
        answer_tokens: Maximum length of the answer.
        min_evidence: Minimum number of events for an interest.
    """

    model: ChatModel
    writer: PromptWriter
    table: SemanticIdTable
    answer_tokens: int = 512
    min_evidence: int = MIN_EVIDENCE

    async def summarize(self, history: History) -> Summary:
        """Summarize a history's interests; names without evidence are dropped and counted.

        Raises:
            ChatError: No usable answer; counted in the model's usage.
        """
        # Prompts show quoted names, so answers contain quoted names.
        raw = {quote_text(name): name for name in self._names(history)}
        build = self.writer.interests(Request(history), list(raw))
        chat = await fit(build, history, self.model, self.answer_tokens)
        # Quoted text contains neither line breaks nor brackets.
        shown = chat[-1]["content"].count("\n- [")
        numbers = range(len(history.events) - shown + 1, len(history.events) + 1)
        said = await request_json(
            self.model,
            chat,
            _response_format(list(raw), numbers),
            _parse,
            self.answer_tokens,
            self.writer.repair,
        )
        summary = check_summary(_rename(said, raw), history, self.table, self.min_evidence)
        dropped = self.model.usage.dropped
        dropped["interest without evidence"] += len(summary.unsupported)
        dropped["event that shows another interest"] += summary.miscited
        dropped["sentence without evidence"] += len(summary.removed)
        return summary

    def _names(self, history: History) -> list[str]:
        """Return the interests to choose from, including some that the history does not show."""
        coarse = coarse_names(self.table)
        met = dict.fromkeys(
            self.table.name_of(self.table.codes_of(event.item_id)[:1])
            for event in reversed(history.events)
            if self.table.knows(event.item_id)
        )
        listed = dict.fromkeys([*(name for name in met if name in set(coarse)), *coarse])
        # Sorted, so that the order reveals nothing about the history.
        return sorted(list(listed)[:MAX_NAMES])


def _rename(said: SummaryContent, raw: Mapping[str, str]) -> SummaryContent:
    """Replace quoted names by the original ones."""
    changed = {quoted: name for quoted, name in raw.items() if quoted != name}
    if not changed:
        return said
    content, text = said.model_dump(), said.summary
    for quoted in sorted(changed, key=len, reverse=True):
        text = text.replace(quoted, changed[quoted])
    for name in SUMMARY_LISTS:
        for claim in content[name]:
            claim["interest"] = changed.get(claim["interest"], claim["interest"])
    return SummaryContent.model_validate({**content, "summary": text})


def _response_format(names: Sequence[str], numbers: Sequence[int]) -> ResponseFormat:
    """Return the format of a summary that uses the interests and events of a prompt."""
    claim, cited, end = map(literal, ('{"interest": ', ', "events": [', "]}"))
    lists = []
    for place, name in enumerate(SUMMARY_LISTS):
        opening = literal(("], " if place else "{") + f'"{name}": [')
        lists.append(f'{opening} (claim (", " claim){{0,{MAX_NAMED[name] - 1}}})?')
    any_number = " | ".join(literal(str(number)) for number in numbers) or literal("0")
    many = f'(number (", " number){{0,{MAX_CITED - 1}}})?'
    text = f'"\\"" {PLAIN_CHARS}{{1,{MAX_SUMMARY_CHARS}}} "\\""'
    ending = literal('], "summary": ')
    rules = [
        f'root ::= {" ".join(lists)} {ending} text "}}"',
        f"claim ::= {claim} name {cited} {many} {end}",
        f"name ::= {any_of(names)}",
        f"number ::= {any_number}",
        f"text ::= {text}",
    ]
    return ResponseFormat("summary", json_schema(names, numbers), "\n".join([*rules, ""]))


def _parse(content: Any) -> SummaryContent:
    """Return the summary.

    Raises:
        ValueError: It does not match the format.
    """
    try:
        found = SummaryContent.model_validate(content)
        return found.model_copy(update={"summary": without_loops(found.summary)})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise ValueError(f"{place}: {first['msg']}") from None


def without_loops(text: str) -> str:
    """Return a text without what a small model says over and over.

    Examples:
        >>> without_loops("Cairn & Co Camping Camping Camping Camping. Tea or tea, very very good.")
        'Cairn & Co Camping Camping. Tea or tea, very very good.'
        >>> without_loops("the red tent the red tent the red tent")
        'the red tent'
    """
    return _LOOP.sub(r"\1", text)
