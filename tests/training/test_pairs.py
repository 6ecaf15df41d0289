"""Pairs from the SASRec head: drawn by its odds, written as streams."""

import torch

from genrec.data import Dataset
from genrec.model.item_features import ItemFeatures
from genrec.model.load import load_run
from genrec.model.loss import Target
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, Terms
from genrec.model.sasrec_training import count_into
from genrec.training.pairs import PAIRS, draw_pairs, pair_histories
from genrec.training.samples import pair_samples
from tests.little_run import make_little_base, train_little_run


def test_pairs_are_drawn_by_the_heads_odds_given_an_item_alone():
    torch.manual_seed(0)
    num_items = 12
    head = SasRecHead(num_items, torch.zeros(0, 1, 1), 0, SasRecHeadConfig(hidden_size=8))
    items = ItemFeatures.plain(num_items)
    # Every item is followed by the next one.
    ring = [[row, (row + 1) % num_items] for row in range(num_items)] * 20
    count_into(head, ring, items)
    head.terms = Terms(transitions=8.0)
    pairs = draw_pairs(head, items.without(torch.tensor([3])), seed=0)
    asked = [row for row, _ in pairs]
    assert asked == sorted([row for row in range(num_items) if row != 3] * PAIRS)
    assert all(row != follower for row, follower in pairs)
    assert len(set(pairs)) == len(pairs)
    firsts = pairs[::PAIRS]
    assert sum(follower == (row + 1) % num_items for row, follower in firsts) >= 10
    assert pairs == draw_pairs(head, items.without(torch.tensor([3])), seed=0)
    assert pairs != draw_pairs(head, items.without(torch.tensor([3])), seed=1)


def test_a_pair_is_a_stream_of_which_the_second_item_is_trained(tmp_path):
    events = tmp_path / "events.csv"
    rows = [
        f"{user},{item},{1_600_000_000 + 90_000 * place},buy,5,So good"
        for user in "xyz"
        for place, item in enumerate("abcdef")
    ]
    head = "user_id,item_id,timestamp,event_type,rating,review"
    events.write_text("\n".join([head, *rows]) + "\n")
    make_little_base(tmp_path, events)
    run, data = load_run(tmp_path / "base"), Dataset.load(tmp_path / "data")
    ids = run.table.item_ids
    (history,) = pair_histories([(0, 3)], ids, data.histories("train"), seed=0)
    assert [event.item_id for event in history.events] == [ids[0], ids[3]]
    (sample,) = pair_samples([history], run.encoder)
    text = run.encoder.tokenizer.decode(sample.input_ids)
    assert "1 day later · buy" in text and "good" not in text and "rated" not in text
    trained = [token for token, kind in zip(sample.input_ids, sample.targets, strict=True) if kind]
    item = run.encoder.segments([history])[0][1]
    assert trained == item.tokens[item.after_item - run.table.num_levels : item.after_item]
    assert set(sample.targets) == {Target.NONE, Target.ITEM}

    train_little_run(tmp_path, mixture={"pairs": 1})
    assert load_run(tmp_path / "run").sasrec_head is not None
