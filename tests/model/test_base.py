import json
import shutil

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from genrec.errors import ArtifactError, ConfigError
from genrec.model.base import BaseConfig, make_base
from genrec.model.load import load_run
from genrec.model.scratch import train_tokenizer
from genrec.stream.render import PHRASES
from genrec.stream.templates import EVENT_BREAK, MARKERS


@pytest.fixture(scope="module")
def small_llama(tmp_path_factory):
    """A pretrained model of another family, with untied embeddings, as a hub would give it."""
    path = tmp_path_factory.mktemp("llama")
    tokenizer = train_tokenizer(["hello world, some words"] * 9, 300)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 7,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.do_sample = True
    model.generation_config.top_k = 2
    model.save_pretrained(path)
    return path


def test_a_scratch_base_holds_the_vocabulary(chain):
    run = load_run(chain.base)
    tokenizer = run.encoder.tokenizer
    ids = run.vocabulary.token_ids
    assert ids.shape == (run.table.num_levels, run.table.codebook_size)
    assert len(np.unique(ids)) == ids.size
    for marker in MARKERS:
        assert len(run.encoder.tokenize([marker])[0]) == 1
    for phrase in PHRASES:
        assert len(run.encoder.tokenize([EVENT_BREAK + phrase])[0]) == 1
    assert tokenizer.decode([int(ids[1, 2])]) == "<b_2>"
    assert run.model.config.tie_word_embeddings


def test_rows_start_where_their_codes_lie(chain):
    """Codes with near centroids have near rows; the spread is that of the rows already there."""
    run = load_run(chain.base)
    rows = run.model.get_input_embeddings().weight.detach().numpy()
    ids = run.vocabulary.token_ids[0]
    used = np.unique(run.table.codes[:, 0])
    centroids = np.asarray(run.table.centroids[0])[used]
    rows_used = rows[ids[used]]
    far = np.triu_indices(len(used), 1)
    between_centroids = np.linalg.norm(centroids[far[0]] - centroids[far[1]], axis=1)
    between_rows = np.linalg.norm(rows_used[far[0]] - rows_used[far[1]], axis=1)
    assert np.corrcoef(between_centroids, between_rows)[0, 1] > 0.6
    assert 0.5 < rows[ids].std() / rows[: ids.min()].std() < 2


def test_a_pretrained_base_keeps_its_rows_and_loses_its_sampling(chain, small_llama, tmp_path):
    out = tmp_path / "base"
    make_base(chain.data, chain.index, out, BaseConfig(source=str(small_llama)))
    run = load_run(out)
    before = LlamaForCausalLM.from_pretrained(small_llama)
    count = int(run.vocabulary.token_ids.min())
    for get in ("get_input_embeddings", "get_output_embeddings"):
        kept = getattr(run.model, get)().weight[: count - len(MARKERS)]
        assert torch.equal(kept, getattr(before, get)().weight[: len(kept)])
    assert not run.model.generation_config.do_sample
    assert json.loads((out / "generation_config.json").read_text()).get("top_k") is None


def test_a_base_is_deterministic(chain, tmp_path):
    weights = []
    for name in ("one", "two"):
        make_base(chain.data, chain.index, tmp_path / name, BaseConfig(seed=3))
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_source_that_is_no_model_is_named(chain, tmp_path):
    with pytest.raises(ConfigError, match="no/such/model"):
        make_base(chain.data, chain.index, tmp_path / "b", BaseConfig(source="no/such/model"))
    assert not list(tmp_path.iterdir())


def test_an_index_of_other_data_is_refused(chain, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    manifest = json.loads((chain.data / "manifest.json").read_text())
    manifest["content_hash"] = "0" * 16
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="was built on data"):
        make_base(other, chain.index, tmp_path / "b", BaseConfig())


def test_cut_weights_are_named(chain, tmp_path):
    import shutil

    damaged = tmp_path / "damaged"
    shutil.copytree(chain.base, damaged)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    manifest = json.loads((damaged / "manifest.json").read_text())
    manifest["parents"]["index"]["path"] = str(chain.index)
    (damaged / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="damaged"):
        load_run(damaged)


@pytest.mark.parametrize("change", [{"templates": "0" * 16}, {}])
def test_other_templates_than_those_trained_on_are_refused(chain, tmp_path, change):
    base = tmp_path / "base"
    shutil.copytree(chain.base, base)
    manifest = json.loads((base / "manifest.json").read_text())
    for parent in manifest["parents"].values():
        parent["path"] = str(chain.index)
    manifest["config"] = {
        name: value for name, value in manifest["config"].items() if name != "templates"
    } | change
    (base / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="other templates"):
        load_run(base)
