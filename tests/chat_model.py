"""A small chat model with a template of its own, trained on the toy world; made once for all."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def chat_model(chain, make_once) -> Path:
    """A Hugging Face folder that transformers and vLLM load like any instruct model."""

    def train(out: Path) -> None:
        command = [
            *(sys.executable, "train/chat.py", "--data", chain.data, "--out", out),
            *("--steps", "150", "--batch", "3", "--hidden", "64", "--layers", "2"),
            *("--candidates", "8", "--seconds", "600"),
        ]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return make_once("chat_model", train)
