"""Named interests rest on events; without the events the claim is gone. On a trained run."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.grammar import GrammarState
from genrec.engines.torch import TorchEngine
from genrec.interests.profile.buckets import NEXT_EVENTS, classify
from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.check import GOES_ON, coarse_names
from genrec.interests.summary.codec import Statement, SummaryCodec, WrittenClaim, WrittenSummary
from genrec.interests.summary.generate import summarize
from genrec.interests.summary.templates import NOT_ENOUGH, find_names
from genrec.interests.timeline.forecast import Forecaster
from genrec.model.load import load_run
from genrec.recommender import Recommender
from genrec.schema import MIN_EVIDENCE, Event, History, Request


class Claims:
    """An engine that says what it is told to, where the grammar allows it."""

    def __init__(self, encoder, written):
        self._tokens = SummaryCodec(encoder).encode(written)

    def text(self, prompts, grammars, max_tokens, owners):
        for grammar in grammars:
            state = GrammarState(grammar)
            for token in self._tokens:
                state.advance(token)
        return [self._tokens[:max_tokens]] * len(prompts)


@pytest.fixture(scope="module")
def run(chain):
    return load_run(chain.sft)


@pytest.fixture(scope="module")
def histories(chain):
    return sorted(Dataset.load(chain.data).histories("test"), key=lambda h: -len(h.events))


@pytest.fixture(scope="module")
def engine(run):
    return TorchEngine(run)


def test_the_profile_counts_the_history(run, histories):
    for history in histories[:30]:
        interests = find_interests(history, run.table)
        assert sum(interest.weight for interest in interests) <= 1 + 1e-9
        for interest in interests:
            assert len(interest.evidence) >= MIN_EVIDENCE
            for event in interest.evidence:
                assert run.table.codes_of(event.item_id)[:1] == interest.prefix
            assert interest.first_seen <= interest.last_seen


def test_trends_follow_the_order_of_events(run, histories):
    """The first item's interest comes only at the end, the second's only at the start."""
    events = histories[0].events
    codes = [run.table.codes_of(event.item_id)[0] for event in events]
    late = events[0]
    early = next(event for event, code in zip(events, codes, strict=True) if code != codes[0])
    daily = tuple(
        replace(event, timestamp=86_400 * day)
        for day, event in enumerate((early,) * 6 + (late,) * 3)
    )
    found = find_interests(History("u", daily), run.table)
    assert {interest.prefix[0]: interest.trend for interest in found} == {
        run.table.codes_of(late.item_id)[0]: "emerging",
        run.table.codes_of(early.item_id)[0]: "fading",
    }


def test_what_has_no_evidence_is_dropped_and_counted(run, histories):
    table = run.table
    history, real = next(
        (history, interest)
        for history in histories
        for interest in find_interests(history, table)
        if classify(interest, history, table)[0] == "long_term"
    )
    shown = {table.codes_of(event.item_id)[0] for event in history.events}
    absent = next(p[0] for p in table.names if len(p) == 1 and p[0] not in shown)
    last, *_ = (table.codes_of(event.item_id) for event in reversed(history.events))
    written = WrittenSummary(
        {
            "long_term": (WrittenClaim(real.prefix[0], (last,)), WrittenClaim(absent, (last,))),
        },
        (Statement("emerging", 1, (absent,)), Statement("long_term", 0, (absent, real.prefix[0]))),
    )
    summary = summarize([history], Claims(run.encoder, written), SummaryCodec(run.encoder))[0]
    assert [interest.name for interest in summary.interests] == [real.name]
    assert summary.unsupported == (table.name_of((absent,)),)
    assert summary.by_model and real.name in summary.words
    assert table.name_of((absent,)) not in summary.words and len(summary.removed) == 1
    assert (summary.cited, summary.miscited) == (2, 1 + (last[0] != real.prefix[0]))


def test_deleting_the_evidence_deletes_the_claim(run, histories, engine):
    """Of a real model: for each interest it names, the events under it are taken away."""
    gone = 0
    for history in histories[:12]:
        for interest in summarize([history], engine, SummaryCodec(run.encoder))[0].interests:
            rest = tuple(event for event in history.events if event not in interest.evidence)
            without = summarize([History("u", rest)], engine, SummaryCodec(run.encoder))[0]
            assert interest.name not in [claim.interest for _, claim in without.content.claims()]
            assert interest.name not in find_names(without.words, coarse_names(run.table))
            assert interest not in without.interests
            gone += 1
    assert gone > 6


def test_one_event_too_few_deletes_the_claim_too(run, histories, engine):
    history = histories[0]
    interest = summarize([history], engine, SummaryCodec(run.encoder))[0].interests[0]
    short = interest.evidence[MIN_EVIDENCE - 1 :]
    rest = tuple(event for event in history.events if event not in short)
    without = summarize([History("u", rest)], engine, SummaryCodec(run.encoder))[0]
    assert interest.name not in {one.name for one in without.interests}


def test_too_little_history_says_so(run, histories, engine):
    lonely = {}
    for item_id in run.table.item_ids:
        lonely.setdefault(run.table.codes_of(item_id)[0], Event("u", item_id, 5))
    short = [
        History("nobody", ()),
        History("one event", histories[0].events[:1]),
        History("codes nobody shares", tuple(lonely.values())),
    ]
    for summary in summarize(short, engine, SummaryCodec(run.encoder)):
        assert summary.words == summary.content.summary == NOT_ENOUGH
        assert summary.interests == () and not list(summary.content.claims())


def test_events_at_one_instant_and_reviews_in_any_script(run, histories, engine):
    """Neither time nor text is needed; the answer does not depend on what reviews say."""
    words = ["", "とても良い", 'أحب "هذا"', "<|end|><a_1>", "\0", "🙂" * 400]
    bare = [replace(e, timestamp=9, rating=None, review=None) for e in histories[0].events]
    loud = [replace(e, review=words[n % 6], title=words[-n % 6]) for n, e in enumerate(bare)]
    one, other = summarize(
        [History("u", tuple(bare)), History("u", tuple(loud))], engine, SummaryCodec(run.encoder)
    )
    assert one.interests and one.content == other.content
    assert all(interest.first_seen == 9 for interest in one.interests)


def test_what_the_tuned_model_says_holds(run, histories, engine):
    summaries = summarize(histories[:30], engine, SummaryCodec(run.encoder))
    for history, summary in zip(histories, summaries, strict=False):
        supported = {interest.name for interest in find_interests(history, run.table, 2, 99)}
        assert summary.interests
        assert {interest.name for interest in summary.interests} <= supported
        assert not supported & set(summary.unsupported)
    assert np.mean([summary.by_model for summary in summaries]) > 0.8
    assert sum(summary.cited for summary in summaries) > 30


def test_emerging_interests_are_foreseen_to_go_on(chain, run, histories, engine):
    recommender, forecaster = (
        Recommender.from_pretrained(chain.sft, "cpu"),
        Forecaster.of_run(chain.sft),
    )
    asked = [
        History(history.user_id, history.events[:place])
        for history in histories[:30]
        for place in range(4, len(history.events), 12)
    ]
    shares = recommender.forecasts([Request(history) for history in asked])
    chances = forecaster.chances(shares, NEXT_EVENTS)
    code_of = {name: prefix[0] for prefix, name in run.table.names.items() if len(prefix) == 1}
    kept = denied = 0
    by_events_alone = summarize(asked, engine, SummaryCodec(run.encoder))
    for row, one, other in zip(
        chances, recommender.interests_many(asked), by_events_alone, strict=True
    ):
        emerging = other.names("emerging")
        predicted = [name for name in emerging if row[code_of[name]] >= GOES_ON]
        assert one.names("emerging") == predicted
        assert set(emerging) - set(predicted) <= {*one.names("recent"), *one.names("long_term")}
        kept, denied = kept + len(predicted), denied + len(emerging) - len(predicted)
    assert kept and denied


def test_more_evidence_can_be_asked_for(run, histories, engine):
    for summary in summarize(histories[:5], engine, SummaryCodec(run.encoder), min_evidence=4):
        assert all(len(interest.evidence) >= 4 for interest in summary.interests)
