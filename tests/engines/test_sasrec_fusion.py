"""The SASRec head in an engine: what it adds to the search, and what becomes of new items."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.engines.base import ItemQuery
from genrec.engines.policy import make_policy
from genrec.engines.torch import TorchEngine
from genrec.engines.vllm.served import Catalogue, ServedBase
from genrec.errors import ConfigError
from genrec.model.item_features import ItemFeatures, pad_histories
from genrec.model.load import load_run
from genrec.model.sasrec_head import Terms
from genrec.recommender import Recommender
from genrec.schema import Item, ModelSettings, Request
from genrec.semantic_ids.extend import add_items
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from tests.decode.dense import fuse
from tests.decode.exact import exact_scores


@pytest.fixture
def run(chain):
    return load_run(chain.pretrain)


@pytest.fixture(scope="module")
def histories(chain):
    """So short that no event is cut from a prompt."""
    found = Dataset.load(chain.data).histories("valid")
    return [
        replace(history, events=history.events[:number])
        for number, history in zip(range(1, 5), found, strict=False)
    ]


def rows_of(run, history):
    return [run.table.index_of(event.item_id) for event in history.events]


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_items_are_those_of_both_views_pooled_by_hand(run, histories, weight):
    """The engine reads the history off the prompt; here it comes from the events themselves."""
    run.sasrec_head.weight = weight
    prompts = run.encoder.prompts([Request(history) for history in histories])
    engine = TorchEngine(run, num_beams=len(run.table))
    found = engine.items([ItemQuery(prompt) for prompt in prompts], 10)
    trie = DeviceTrie.from_trie(
        Trie.build(run.vocabulary.paths(run.table.codes)),
        seen_in_training=run.table.seen_in_training,
    )
    items = ItemFeatures.of(run.table)
    assert ((items.trained >= 0).numpy() == run.table.seen_in_training).all()
    for history, prompt, answer in zip(histories, prompts, found, strict=True):
        with torch.no_grad():
            vectors = run.sasrec_head.vectors(items)
            logits = run.sasrec_head(pad_histories([rows_of(run, history)]), items, vectors)
        fusion = fuse(trie, logits, weight) if weight else None
        ids = torch.tensor([prompt])
        scores = exact_scores(run.model, ids, torch.ones_like(ids), trie, fusion=fusion)[0]
        np.testing.assert_allclose(answer.scores, scores.topk(10).values, atol=1e-4)
        np.testing.assert_allclose(answer.scores, scores[answer.rows], atol=1e-4)


@pytest.mark.parametrize("weight", [None, 0.0])
def test_a_server_whose_head_has_no_say_hears_wishes_too(chain, weight):
    base = ServedBase.load(chain.pretrain)
    if weight is None:
        base = replace(base, sasrec_head=None)
    else:
        base.sasrec_head.weight = weight
    catalogue = Catalogue.build(base, base.table, "cpu")
    read = catalogue.fusion.read(torch.zeros(1, 3, dtype=torch.int64))
    wish = RowScores(np.array([2]), np.array([1.0], dtype=np.float32))
    queries = [[ItemQuery([], matches=matches)] for matches in (NOTHING, wish)]
    plain, wished = (
        make_policy(
            *(catalogue.trie, base.vocabulary, query),
            read.heeding(query, catalogue.trie.place_of),
        )
        for query in queries
    )
    assert plain.fusion is None
    assert wished.fusion.lm_weight == wished.fusion.weight == 1
    lineage = catalogue.trie.lineage(torch.tensor([[2]]))[..., 1:]
    assert (wished.fusion.at(lineage, torch.ones_like(lineage, dtype=torch.bool)) > 0).all()


@pytest.mark.parametrize(("weight", "heard"), [(0.5, 3.0 * 0.5), (0.0, 0.0)])
def test_a_server_whose_head_has_a_say_hears_what_is_popular(chain, weight, heard):
    base = ServedBase.load(chain.pretrain)
    base.sasrec_head.weight = weight
    base.sasrec_head.terms = Terms(popularity=3.0)
    catalogue = Catalogue.build(base, base.table, "cpu")
    place_of = catalogue.trie.place_of
    plain = catalogue.fusion.read(torch.zeros(1, 3, dtype=torch.int64))
    popular = RowScores(np.array([2]), np.array([0.5], dtype=np.float32))
    heeding = plain.heeding([ItemQuery([], popularity=popular)], place_of)
    scores = [each.of_leaves().block(0, len(base.table)) for each in (plain, heeding)]
    added = (scores[1] - scores[0])[:, 0]
    assert added[place_of[2]] == pytest.approx(heard, abs=1e-5)
    assert added.abs().sum() == pytest.approx(heard, abs=1e-4)


def test_first_codes_are_pooled_too(run, histories):
    prompts = run.encoder.prompts([Request(history) for history in histories])
    found = {}
    for weight in (0.0, 0.5, 1.0):
        run.sasrec_head.weight = weight
        found[weight] = TorchEngine(run).code_log_probs(prompts)
        np.testing.assert_allclose(np.exp(found[weight]).sum(axis=1), 1, atol=1e-4)
    used = np.isfinite(found[0.0])
    pooled = np.where(used, (found[0.0] + found[1.0]) / 2, -np.inf)
    pooled -= np.logaddexp.reduce(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(found[0.5][used], pooled[used], atol=1e-4)


def test_new_items_join_and_the_old_keep_their_vectors(run, histories):
    run.sasrec_head.weight = 0.5
    engine = TorchEngine(run, num_beams=len(run.table) + 1)
    queries = [ItemQuery(prompt) for prompt in run.encoder.prompts([Request(histories[-1])])]
    before = engine.items(queries, 10)[0]
    grown = add_items(run.table, [Item("new", title="Cordless nail grinder for dogs")])
    engine.replace_table(grown)
    candidates = np.array([grown.index_of("new"), *before.rows[:3]])
    found = engine.items([ItemQuery(queries[0].prompt, candidates=candidates)], 4)[0]
    assert sorted(found.rows) == sorted(candidates) and np.isfinite(found.scores).all()
    engine.replace_table(run.table)
    after = engine.items(queries, 10)[0]
    assert after.rows.tolist() == before.rows.tolist()
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-5)


def test_an_item_of_another_catalogue_does_not_get_our_items_vector(run, histories):
    """It has an item ID of ours by chance; what tells it apart is its semantic ID."""
    run.sasrec_head.weight = 1.0
    place = int(np.flatnonzero(run.table.seen_in_training)[0])
    spare = next(
        code for code in range(run.table.codebook_size)
        if run.table.item_at((*run.table.codes[place, :-1].tolist(), code)) is None
    )  # fmt: skip
    codes = run.table.codes.copy()
    codes[place, -1] = spare
    queries = [ItemQuery(prompt) for prompt in run.encoder.prompts([Request(histories[-1])])]
    engine = TorchEngine(run, num_beams=len(run.table))
    answers = []
    for item_id in (run.table.item_ids[place], "an ID of nobody"):
        item_ids = list(run.table.item_ids)
        item_ids[place] = item_id
        engine.replace_table(replace(run.table, item_ids=item_ids, codes=codes))
        found = engine.items(queries, len(run.table))[0]
        answers.append(dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True)))
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)


def test_an_adapter_and_a_merged_run_keep_the_view_of_their_base(chain, run):
    tuned = load_run(chain.sft)
    assert tuned.sasrec_head.weight == run.sasrec_head.weight
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            tuned.sasrec_head.parameters(), run.sasrec_head.parameters(), strict=True
        )
    )


def test_a_weight_can_be_given_where_there_is_a_view(chain):
    alone = Recommender.from_pretrained(chain.pretrain, "cpu", sasrec_weight=0.0)
    led = Recommender.from_pretrained(chain.pretrain, "cpu", sasrec_weight=1.0)
    history = list(Dataset.load(chain.data).histories("test"))[3]
    scores = [
        [item.score for item in each.recommend(events=history.events, k=5)] for each in (alone, led)
    ]
    assert scores[0] != scores[1]
    for weight in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="give 0 to 1"):
            Recommender.from_pretrained(chain.pretrain, "cpu", sasrec_weight=weight)
    with pytest.raises(ConfigError, match="SASRec head"):
        Recommender.from_pretrained(chain.base, "cpu", sasrec_weight=0.5)
    with pytest.raises(ConfigError, match="a number"):
        Recommender.from_pretrained(chain.pretrain, "cpu", new_item_boost=float("nan"))
    with pytest.raises(ConfigError, match="vLLM"):
        Recommender.from_pretrained(chain.pretrain, vllm="http://127.0.0.1:9", new_item_boost=1.0)
    with pytest.raises(ConfigError, match="vLLM"):
        Recommender.from_pretrained(chain.pretrain, vllm="http://127.0.0.1:9", sasrec_weight=0.5)


def test_a_request_may_weigh_the_head_as_a_loaded_model_does(chain):
    model = Recommender.from_pretrained(chain.pretrain, "cpu", num_beams=20)
    asked = Request(next(iter(model.data.histories("valid"))))
    for weight in (0.0, 0.7):
        loaded = Recommender.from_pretrained(
            chain.pretrain, "cpu", num_beams=20, sasrec_weight=weight
        )
        (mine,) = model.rank_many([replace(asked, model=ModelSettings(sasrec_weight=weight))], 5)
        (theirs,) = loaded.rank_many([asked], 5)
        assert [item.item_id for item in mine] == [item.item_id for item in theirs]
        assert mine[0].score == pytest.approx(theirs[0].score, abs=1e-4)
