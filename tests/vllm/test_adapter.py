"""A real vLLM loads our base and our adapter as they lie, and says what we say.

vLLM lives in an environment of its own (``make setup-vllm``), since its CPU build asks for
packages that clash with a CPU torch.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from genrec.data import Dataset
from genrec.model.load import load_run
from genrec.schema import Request
from tests.conftest import ROOT

VLLM_PYTHON = Path(os.environ.get("GENREC_VLLM_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))
pytestmark = pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no vLLM; run make setup-vllm")


def test_vllm_runs_base_and_adapter_as_they_are(chain):
    run = load_run(chain.sft)
    history = next(Dataset.load(chain.data).histories("valid"))
    prompt = run.encoder.prompts([Request(history)])[0]
    tokens = run.vocabulary.token_ids[0].tolist()
    asked = {
        "base": str(chain.pretrain),
        "adapter": str(chain.sft),
        "prompt": prompt,
        "tokens": tokens,
    }
    done = subprocess.run(
        [str(VLLM_PYTHON), str(Path(__file__).with_name("ask_vllm.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answer = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    answer = json.loads(answer.removeprefix("ANSWER "))
    for name, path in (("adapter", chain.sft), ("base", chain.pretrain)):
        with torch.no_grad():
            logits = load_run(path).model(input_ids=torch.tensor([prompt])).logits[0, -1]
        expected = logits.log_softmax(-1)[tokens].tolist()
        assert answer[name] == pytest.approx(expected, abs=1e-3)
    assert answer["adapter"] != pytest.approx(answer["base"], abs=1e-3)
