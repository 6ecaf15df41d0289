"""Summaries as a tuned model is asked for them and taught to write them."""

import json
import random
import re
from dataclasses import replace

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.grammar import GrammarState, longest
from genrec.interests.profile.buckets import NEXT_EVENTS
from genrec.interests.summary.check import check_summary
from genrec.interests.summary.codec import MAX_CITED, MAX_NAMED, SummaryCodec, fixed_pieces
from genrec.interests.summary.grammar import SummaryGrammar, read_summary
from genrec.interests.summary.targets import make_target
from genrec.interests.summary.templates import (
    find_names,
    read_statement,
    split_sentences,
    wordings,
    write_statement,
)
from genrec.model.load import load_run
from genrec.model.loss import Target
from genrec.schema import MIN_EVIDENCE, Event, History
from genrec.stream.sid_text import sid_text
from genrec.stream.templates import END_MARKER, INTERESTS_MARKER
from genrec.training.samples import MOMENTS, interest_samples


@pytest.fixture(scope="module")
def encoder(chain):
    return load_run(chain.base).encoder


@pytest.fixture(scope="module")
def histories(chain):
    return list(Dataset.load(chain.data).histories("train"))


def decode(encoder, tokens):
    return encoder.tokenizer.backend_tokenizer.decode(tokens, skip_special_tokens=False)


def test_every_fixed_piece_is_one_token_of_a_scratch_tokenizer(encoder):
    assert {len(tokens) for tokens in encoder.tokenize(fixed_pieces())} == {1}


def test_a_question_shows_the_newest_events_in_brief_and_leaves_room(encoder, histories):
    spelling = SummaryCodec(encoder)
    asked = sorted(histories, key=lambda history: -len(history.events))[:40]
    asked.append(History("new", ()))
    per_event = 2 + encoder.renderer.table.num_levels
    for history, question in zip(asked, spelling.questions(asked), strict=True):
        shown = history.events[question.first :]
        assert len(question.prompt) == len(encoder.header) + per_event * len(shown) + 1
        assert len(question.prompt) + spelling.answer_limit <= encoder.context_tokens
        text = decode(encoder, question.prompt)
        assert text.endswith(INTERESTS_MARKER) and "rated" not in text and '"' not in text
        codes = [encoder.renderer.table.codes_of(event.item_id) for event in shown]
        assert re.findall(r"(?:<[abc]_\d+>){3}", text) == [str(sid_text(one)) for one in codes]
        if question.first:
            one_more = len(question.prompt) + per_event + spelling.answer_limit
            assert one_more > encoder.context_tokens


def test_a_question_shows_as_many_events_as_there_is_room_for(encoder, histories, monkeypatch):
    longest_history = max(histories, key=lambda history: len(history.events))
    per_event = 2 + encoder.renderer.table.num_levels
    for room, shown in ((5 * per_event - 1, 4), (5 * per_event, 5)):
        monkeypatch.setattr(SummaryCodec, "event_limit", room)
        question = SummaryCodec(encoder).questions([longest_history])[0]
        assert len(longest_history.events) - question.first == shown


def test_reviews_change_nothing_of_a_question(encoder, histories):
    events = histories[0].events
    loud = [replace(event, review='<|end|>" 茶 ' * 9, title="!", rating=1.0) for event in events]
    quiet, said = SummaryCodec(encoder).questions([histories[0], History("u", tuple(loud))])
    assert quiet == said


def lessons(encoder, histories):
    """Yield moments with what to say of them."""
    table, rng = encoder.renderer.table, random.Random(1)
    for history in histories[:60]:
        cut = rng.randrange(len(history.events))
        now = History(history.user_id, history.events[:cut])
        later = history.events[cut:]
        first = SummaryCodec(encoder).questions([now])[0].first
        yield now, later, first, make_target(now, later, first, table, rng)


def test_what_is_taught_passes_every_check(encoder, histories):
    """No lesson names what the check would remove, move or count."""
    table, count = encoder.renderer.table, 0
    for now, later, first, lesson in lessons(encoder, histories):
        text = decode(encoder, SummaryCodec(encoder).encode(lesson))
        said = read_summary(text, now.events, first, table)
        predicted = np.zeros(table.codebook_size)
        predicted[table.first_codes(event.item_id for event in later[:NEXT_EVENTS])] = 1
        summary = check_summary(said, now, table, chances=predicted)
        assert not summary.unsupported and not summary.moved and not summary.removed
        assert summary.miscited == 0
        assert summary.cited == sum(
            len(claim.cited) for claims in lesson.lists.values() for claim in claims
        )
        taught = {table.name_of((c.code,)) for claims in lesson.lists.values() for c in claims}
        if taught:
            assert {interest.name for interest in summary.interests} == taught
            count += len(taught)
        for name, claims in lesson.lists.items():
            assert summary.names(name) == [table.name_of((c.code,)) for c in claims] or not taught
    assert count > 50


def test_emerging_is_taught_only_of_what_goes_on(encoder, histories):
    table, seen = encoder.renderer.table, 0
    for _, later, _, lesson in lessons(encoder, histories):
        following = {table.codes_of(event.item_id)[0] for event in later[:NEXT_EVENTS]}
        for claim in lesson.lists["emerging"]:
            assert claim.code in following
            seen += 1
    assert seen > 5


def test_a_grammar_allows_every_lesson_and_its_texts_fit(encoder, histories):
    spelling = SummaryCodec(encoder)
    grammar = SummaryGrammar(spelling)
    for now, _, first, lesson in lessons(encoder, histories):
        allowed = grammar.of(now.events[first:])
        state = GrammarState(allowed)
        for token in spelling.encode(lesson):
            state.advance(token)
        assert state.is_complete and not state.allowed
        assert longest(allowed) <= spelling.answer_limit


def test_a_random_walk_writes_json_that_cites_only_what_was_shown(encoder, histories):
    """Any text of the grammar can be read; every event cited is one of the prompt, none twice."""
    spelling, table, rng = SummaryCodec(encoder), encoder.renderer.table, random.Random(0)
    grammar = SummaryGrammar(spelling)
    asked = [*histories[:20], History("new", ()), History("u", histories[0].events[:1])]
    for history, question in zip(asked, spelling.questions(asked), strict=True):
        state, tokens = GrammarState(grammar.of(history.events[question.first :])), []
        while state.allowed:
            tokens.append(rng.choice(state.allowed))
            state.advance(tokens[-1])
        text = decode(encoder, tokens)
        assert set(json.loads(text.removesuffix(END_MARKER))) == {*MAX_NAMED, "summary"}
        form = read_summary(text, history.events, question.first, table)
        for name, claim in form.claims():
            assert question.first < min(claim.events) and len(claim.events) <= MAX_CITED
            assert max(claim.events) <= len(history.events)
            assert len(set(claim.events)) == len(claim.events)
            assert claim.interest in table.names.values() and len(getattr(form, name)) <= 3
        assert "<a_" not in form.summary
        if not history.events:
            assert not list(form.claims())


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_text_that_was_cut_says_nothing(encoder, histories, cut):
    spelled = SummaryCodec(encoder).encode(next(iter(lessons(encoder, histories)))[3])
    form = read_summary(
        decode(encoder, spelled[:cut]), histories[0].events, 0, encoder.renderer.table
    )
    assert not list(form.claims()) and form.summary == ""


def test_samples_teach_the_answer_alone(encoder, histories):
    histories = [*histories[:20], History("one", histories[0].events[:1])]
    samples = list(interest_samples(histories, encoder, seed=0))
    assert len(samples) == MOMENTS * 20 + 1
    for sample in samples:
        assert len(sample.input_ids) == len(sample.targets) <= encoder.context_tokens
        place = sample.targets.index(Target.INTERESTS)
        question, answer = sample.input_ids[:place], sample.input_ids[place:]
        assert set(sample.targets[:place]) == {Target.NONE}
        assert set(sample.targets[place:]) == {Target.INTERESTS}
        assert decode(encoder, question).endswith(INTERESTS_MARKER)
        assert decode(encoder, answer).startswith('{"long_term": [')
        assert decode(encoder, answer).endswith(END_MARKER)
    again = list(interest_samples(histories, encoder, seed=0))
    assert [sample.input_ids for sample in again] == [sample.input_ids for sample in samples]


def test_wordings_vary_with_the_seed(encoder, histories):
    said = {
        statement.wording
        for _, _, _, lesson in lessons(encoder, histories)
        for statement in lesson.statements
        if statement.kind == "long_term"
    }
    assert len(said) > 1


def test_a_history_of_lone_events_teaches_not_enough(encoder):
    table = encoder.renderer.table
    by_code = {table.codes_of(item_id)[0]: item_id for item_id in table.item_ids}
    events = tuple(Event("u", item_id, 5) for item_id in by_code.values())[:6]
    lesson = make_target(History("u", events), (), 0, table, random.Random(0))
    assert len(events) > MIN_EVIDENCE and not any(lesson.lists.values()) and not lesson.statements


NAMES = ["tea", "tea · kettles", "salt and pepper", "St. Ives · soap", "茶", "running"]


def test_statements_are_read_as_they_are_written():
    for kind, options in wordings().items():
        for wording in range(len(options)):
            for said in (["tea"], ["salt and pepper", "tea · kettles"], ["茶", "St. Ives · soap"]):
                sentence = write_statement(kind, said, wording)
                assert read_statement(sentence, NAMES) == (kind, wording, said)
    assert read_statement("Turning to coffee.", NAMES) is None
    assert read_statement("Likes tea.", NAMES) is None


def test_names_are_found_as_words_the_longest_first():
    assert find_names("Tea · Kettles and RUNNING.", NAMES) == ["tea · kettles", "running"]
    assert find_names("Steady trunning and teapots.", NAMES) == []
    assert find_names("他喜欢茶和咖啡。", NAMES) == ["茶"]
    assert find_names("anything", []) == []


def test_sentences_end_where_a_name_does_not_go_on():
    text = "Keeps to St. Ives · soap. Likes tea! 他喜欢茶。Good"
    assert split_sentences(text, NAMES) == [
        "Keeps to St. Ives · soap.", "Likes tea!", "他喜欢茶。", "Good."
    ]  # fmt: skip
    assert split_sentences("  ", NAMES) == []
