import json

import pytest
import torch
from safetensors.torch import load_file

from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.load import load_run
from genrec.model.lora import merge
from genrec.schema import Request


@pytest.fixture(scope="module")
def prompt(chain):
    run = load_run(chain.sft)
    history = next(Dataset.load(chain.data).histories("valid"))
    return torch.tensor(run.encoder.prompts([Request(history)]))


def logits(run, prompt):
    with torch.no_grad():
        return run.model(input_ids=prompt).logits


def test_an_adapter_is_a_plain_peft_folder_of_linear_layers(chain):
    config = json.loads((chain.sft / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert not config["modules_to_save"]
    names = load_file(chain.sft / "adapter_model.safetensors").keys()
    assert names
    assert not [name for name in names if "embed" in name or "lm_head" in name]


def test_an_adapter_changes_what_the_base_says(chain, prompt):
    adapted, plain = load_run(chain.sft), load_run(chain.pretrain)
    assert (logits(adapted, prompt) - logits(plain, prompt)).abs().max() > 1e-3


def test_a_merged_model_says_what_base_and_adapter_say(chain, prompt, tmp_path):
    merge(chain.sft, tmp_path / "merged")
    merged = load_run(tmp_path / "merged")
    torch.testing.assert_close(
        logits(merged, prompt), logits(load_run(chain.sft), prompt), atol=1e-4, rtol=1e-4
    )


def test_only_adapters_can_be_merged(chain, tmp_path):
    with pytest.raises(ConfigError, match="no adapter"):
        merge(chain.pretrain, tmp_path / "merged")
