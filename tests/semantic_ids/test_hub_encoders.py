import json

import numpy as np
import pytest

from genrec.errors import ArtifactError, ConfigError
from genrec.schema import Item
from genrec.semantic_ids import encoders
from genrec.semantic_ids.build import IndexConfig, TextConfig, build_index
from genrec.semantic_ids.encoders import HubEncoder, describe
from genrec.semantic_ids.extend import add_items
from genrec.semantic_ids.table import SemanticIdTable


def save_model(path, kind, seed=0):
    """Write a tiny language model with random weights, as a user would have one on disk."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        PreTrainedTokenizerFast,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    torch.manual_seed(seed)
    letters = {letter: n for n, letter in enumerate("?0abcdefghijklmnopqrstuvwxyz ")}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="?", eos_token="0"
    ).save_pretrained(path)
    size = {
        "vocab_size": len(letters),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    if kind == "bert":
        BertModel(BertConfig(**size)).save_pretrained(path)
    else:
        config = Qwen3Config(**size, num_key_value_heads=1, head_dim=8)
        Qwen3ForCausalLM(config).save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def forget_models():
    encoders._load.cache_clear()


KINDS = "tea,coffee,nail polish,wood plane,soap,lamp,old record,bike,tent".split(",")
ITEMS = [Item(kind, title=f"{kind} for you") for kind in KINDS]


@pytest.mark.parametrize("kind", ["bert", "qwen"])
def test_a_model_on_disk_encodes_items(tmp_path, kind):
    config = TextConfig(encoder=save_model(tmp_path, kind), dims=4, batch_size=2)
    items = [*ITEMS, Item("silent")]
    encoder, vectors = HubEncoder.fit(items, config)
    assert vectors.shape == (10, 4)
    assert np.allclose(np.linalg.norm(vectors[:-1], axis=1), 1, atol=1e-5)
    assert not vectors[-1].any()
    # Neither the batch nor its padding may move a vector.
    assert np.allclose(encoder.encode(items[2:3])[0], vectors[2], atol=1e-4)


def test_a_table_made_with_a_model_places_new_items(toy_data, tmp_path):
    name = save_model(tmp_path / "model", "bert")
    config = IndexConfig(text=TextConfig(encoder=name, dims=8, max_tokens=16))
    report = build_index(toy_data, tmp_path / "index", config)
    assert report.collisions == 0
    table = SemanticIdTable.load(tmp_path / "index")
    grown = add_items(table, [Item("new", title="a kettle")])
    assert grown.knows("new")


def test_other_weights_under_the_same_name_are_noticed(tmp_path):
    config = TextConfig(encoder=save_model(tmp_path, "bert"))
    encoder, _ = HubEncoder.fit(ITEMS, config)
    save_model(tmp_path, "bert", seed=1)
    encoders._load.cache_clear()
    with pytest.raises(ArtifactError, match="not the model"):
        encoder.encode(ITEMS)


def test_a_model_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="cannot load encoder"):
        HubEncoder.fit(ITEMS, TextConfig(encoder=str(tmp_path / "nowhere")))


def test_sentence_transformers_are_asked_for_by_name(tmp_path, monkeypatch):
    name = save_model(tmp_path, "bert")
    (tmp_path / "modules.json").write_text(json.dumps([]))
    monkeypatch.setattr(encoders.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install 'genrec\\[encoders\\]'"):
        HubEncoder.fit(ITEMS, TextConfig(encoder=name))


def test_a_sentence_transformer_keeps_its_own_pooling(tmp_path):
    """The last token's state, not the mean that a plain language model gets."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    plain = save_model(tmp_path / "plain", "bert")
    parts = [Transformer(plain), Pooling(16, pooling_mode="lasttoken")]
    parts[0].tokenizer.pad_token = "0"
    SentenceTransformer(modules=parts, device="cpu").save(str(tmp_path / "whole"))
    texts = [item.title for item in ITEMS]
    expected = SentenceTransformer(str(tmp_path / "whole"), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    config = TextConfig(encoder=str(tmp_path / "whole"), dims=16)
    _, vectors = HubEncoder.fit(ITEMS, config)
    assert np.isfinite(vectors).all() and len(vectors) == len(ITEMS)
    whole = encoders._load(str(tmp_path / "whole"), 64).encode(texts)
    np.testing.assert_allclose(whole, expected, atol=1e-5)
    mean = encoders._load(plain, 64).encode(texts)
    assert np.abs(whole - mean).max() > 0.01


def test_an_item_is_described_by_all_that_is_known():
    item = Item("a", "Fargo", "Coen", ("Crime", "Drama"), "one two three", "year: 1996")
    assert describe(item, max_words=2) == "Fargo\nCoen\nCrime > Drama\none two\nyear: 1996"
    assert describe(Item("a"), max_words=2) == ""
