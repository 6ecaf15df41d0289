"""A real pretrained model as the base, from a package and from files that are none."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.installed_models import INSTALLED, SMOLLM2, resolve
from genrec.model.base import ALIGNED_ROWS, BaseConfig, make_base
from genrec.model.load import load_run
from genrec.model.pretrained import load_pretrained
from genrec.model.vocabulary import new_rows


@pytest.fixture(scope="module")
def base(chain, tmp_path_factory):
    out = tmp_path_factory.mktemp("smollm2") / "base"
    make_base(chain.data, chain.index, out, BaseConfig(source=SMOLLM2, context_tokens=1024))
    return load_run(out)


def test_a_packaged_model_becomes_a_base_that_still_speaks(base):
    assert type(base.model).__name__ == "LlamaForCausalLM"
    assert len(base.model.get_input_embeddings().weight) % ALIGNED_ROWS == 0
    asked = base.encoder.tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        answer = base.model.generate(**asked, max_new_tokens=2, do_sample=False)
    assert "Paris" in base.encoder.tokenizer.decode(answer[0])


def test_new_rows_are_as_long_as_words_and_lie_where_their_titles_do(base, chain):
    weight = base.model.get_input_embeddings().weight.detach()
    first = min(new_rows(base.encoder.tokenizer, base.table))
    words = weight[:first]
    added = weight[new_rows(base.encoder.tokenizer, base.table)]
    typical = words.norm(dim=1).mean()
    assert (added.norm(dim=1) > 0.2 * typical).all() and added.norm(dim=1).max() < 3 * typical
    items = [item for item in Dataset.load(chain.data).items if item.title]
    codes = base.table.codes[[base.table.index_of(item.item_id) for item in items], 0]
    titles = torch.stack(
        [
            words[base.encoder.tokenizer.encode(item.title, add_special_tokens=False)].mean(dim=0)
            for item in items
        ]
    )
    used = np.unique(codes)
    groups = torch.stack([titles[codes == code].mean(dim=0) for code in used]) - words.mean(dim=0)
    rows = weight[torch.as_tensor(base.vocabulary.token_ids[0][used])] - words.mean(dim=0)
    likeness = torch.nn.functional.normalize(rows) @ torch.nn.functional.normalize(groups).T
    assert likeness.diagonal().min() > 0.99


def test_what_is_saved_is_a_plain_model(base):
    again = AutoModelForCausalLM.from_pretrained(base.path)
    assert not hasattr(again.config, "quantization_config")
    assert AutoTokenizer.from_pretrained(base.path).chat_template


def test_the_shape_alone_can_be_taken(base, chain, tmp_path):
    config = BaseConfig(source=SMOLLM2, weights="random", rows="centroids")
    make_base(chain.data, chain.index, tmp_path / "base", config)
    bare = load_run(tmp_path / "base").model
    learned = base.model.state_dict()
    assert {name: weight.shape for name, weight in bare.state_dict().items()} == {
        name: weight.shape for name, weight in learned.items()
    }
    name = "model.layers.0.mlp.down_proj.weight"
    weight = bare.state_dict()[name]
    assert not torch.allclose(weight, learned[name], atol=1e-3)
    assert weight.std().item() == pytest.approx(bare.config.initializer_range, rel=0.05)


def test_a_damaged_or_missing_file_and_too_long_a_context_are_one_clear_line(base, tmp_path):
    whole = resolve(SMOLLM2)
    cut = tmp_path / "cut.gguf"
    with open(whole, "rb") as file:
        cut.write_bytes(file.read(2_000_000))
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"GGUF" + bytes(range(256)) * 40)
    for path, reason in ((cut, "damaged"), (junk, "damaged"), (tmp_path / "none.gguf", "no file")):
        with pytest.raises(ConfigError, match=reason) as raised:
            load_pretrained(str(path), "float32", 512)
        assert "\n" not in str(raised.value)
    limit = base.model.config.max_position_embeddings
    with pytest.raises(ConfigError, match=f"reads at most {limit}"):
        load_pretrained(str(base.path), "float32", limit + 1)


def test_a_model_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, model in INSTALLED.items():
        with pytest.raises(ConfigError, match=rf"genrec\[{model.extra}\]"):
            resolve(name)
