"""Summaries of interests by a tuned model: it writes, then every claim is checked.

The model reads the user's stream and names interests with the events they rest on; it can only
name interests that exist and cite events it was shown. What the events do not support is dropped
and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.engines.base import Engine
from genrec.interests.summary.check import Summary, check_summary
from genrec.interests.summary.codec import SummaryCodec, SummaryQuestion
from genrec.interests.summary.grammar import SummaryGrammar, read_summary
from genrec.schema import MIN_EVIDENCE, History


def summarize(
    histories: Sequence[History],
    engine: Engine,
    codec: SummaryCodec,
    min_evidence: int = MIN_EVIDENCE,
    chances: np.ndarray | None = None,
) -> list[Summary]:
    """Let the model say what each history's user cares about, and keep what the events support.

    Args:
        histories: Oldest event first.
        engine: Runs the model.
        codec: Of the run; it remembers how long an answer can be.
        min_evidence: Fewest events that an interest rests on.
        chances: Of each first code among the next events, see ``check_summary``. Shape: (B, codes
            of a level).

    Raises:
        DataError: An event's item is not in the table.
    """
    encoder = codec.encoder
    table = encoder.renderer.table
    questions, texts = write_summaries(histories, engine, codec)
    decode = encoder.tokenizer.backend_tokenizer.decode
    return [
        check_summary(
            read_summary(
                decode(tokens, skip_special_tokens=False), history.events, question.first, table
            ),
            history,
            table,
            min_evidence,
            None if chances is None else chances[place],
        )
        for place, (history, question, tokens) in enumerate(
            zip(histories, questions, texts, strict=True)
        )
    ]


def write_summaries(
    histories: Sequence[History], engine: Engine, codec: SummaryCodec
) -> tuple[list[SummaryQuestion], list[list[int]]]:
    """Let the model write; return what it read of each history, and the tokens it wrote."""
    grammar = SummaryGrammar(codec)
    questions = codec.questions(histories)
    grammars = [
        grammar.of(history.events[question.first :])
        for history, question in zip(histories, questions, strict=True)
    ]
    prompts = [question.prompt for question in questions]
    owners = [history.user_id for history in histories]
    return questions, engine.text(prompts, grammars, codec.answer_limit, owners)
