"""Named interests rest on events; without the events the claim is gone."""

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.interests.summary import NOT_ENOUGH, summarize
from genrec.model.load import load_run
from genrec.schema import History
from genrec.semantic_ids.profile import MIN_EVIDENCE, find_interests


class Claims:
    """An engine that claims what it is told to, whatever it reads."""

    def __init__(self, text):
        self._text = text

    def text(self, prompts, max_tokens, phrases):
        return [self._text] * len(prompts)


def setup(chain):
    run = load_run(chain.sft)
    histories = sorted(Dataset.load(chain.data).histories("test"), key=lambda h: -len(h.events))
    return run, histories


def test_the_profile_counts_the_history(chain):
    run, histories = setup(chain)
    for history in histories[:30]:
        interests = find_interests(history, run.table)
        assert sum(interest.weight for interest in interests) <= 1 + 1e-9
        for interest in interests:
            assert len(interest.evidence) >= MIN_EVIDENCE
            for event in interest.evidence:
                assert run.table.codes_of(event.item_id)[:1] == interest.prefix
            assert interest.first_seen <= interest.last_seen


def test_trends_follow_the_order_of_events(chain):
    """The first item's interest comes only at the end, the second's only at the start."""
    run, histories = setup(chain)
    events = histories[0].events
    codes = [run.table.codes_of(event.item_id)[0] for event in events]
    late = events[0]
    early = next(event for event, code in zip(events, codes, strict=True) if code != codes[0])
    found = find_interests(History("u", (early,) * 6 + (late,) * 3), run.table)
    assert {interest.prefix[0]: interest.trend for interest in found} == {
        run.table.codes_of(late.item_id)[0]: "emerging",
        run.table.codes_of(early.item_id)[0]: "fading",
    }


def test_what_has_no_evidence_is_dropped_and_counted(chain):
    run, histories = setup(chain)
    real = find_interests(histories[0], run.table)[0]
    shown = {interest.name for interest in find_interests(histories[0], run.table, 1, 99)}
    absent = next(
        name for prefix, name in run.table.names.items() if len(prefix) == 1 and name not in shown
    )
    engine = Claims(f"emerging: {real.name}; steady: {absent}")
    summary = summarize(histories[:1], engine, run.encoder)[0]
    assert [interest.name for interest in summary.interests] == [real.name]
    assert summary.unsupported == (absent,)
    assert summary.by_model
    assert real.name in summary.words
    assert absent not in summary.words


def test_deleting_the_evidence_deletes_the_claim(chain):
    run, histories = setup(chain)
    real = find_interests(histories[0], run.table)[0]
    rest = tuple(event for event in histories[0].events if event not in real.evidence)
    engine = Claims(f"steady: {real.name}")
    summary = summarize([History("u", rest)], engine, run.encoder)[0]
    assert real.name not in summary.words
    assert summary.unsupported == (real.name,)
    assert not summary.by_model


def test_too_little_history_says_so(chain):
    run, histories = setup(chain)
    engine = TorchEngine(run)
    short = [History("u", ()), History("u", histories[0].events[:1])]
    for summary in summarize(short, engine, run.encoder):
        assert summary.words == NOT_ENOUGH
        assert summary.interests == ()


def test_what_the_tuned_model_says_holds(chain):
    run, histories = setup(chain)
    summaries = summarize(histories[:20], TorchEngine(run), run.encoder)
    for history, summary in zip(histories, summaries, strict=False):
        supported = {interest.name for interest in find_interests(history, run.table, 2, 99)}
        assert summary.interests
        assert {interest.name for interest in summary.interests} <= supported
        assert not supported & set(summary.unsupported)
