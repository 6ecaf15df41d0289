"""The check of a GPU, run small on the CPU, with nothing but torch and transformers."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ABSENT = ("pydantic", "duckdb", "datasets", "vllm", "peft", "bitsandbytes", "accelerate", "pyarrow")
ABSENT += ("pandas", "scipy", "sklearn", "rich", "fastapi", "sqlalchemy")
RUN = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({ABSENT}))  # None: cannot be imported
sys.argv = ["gpu_check", "--device", "cpu", "--small"]
runpy.run_module("benchmarks.gpu_check", run_name="__main__")
"""


def test_it_measures_all_it_can_on_a_bare_machine():
    done = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    failed = {key: found for key, found in report.items() if isinstance(found, str)}
    assert failed == {
        "training, tiny, LoRA": "left out: peft is not installed",
        "training, tiny, LoRA, layers compiled": "left out: peft is not installed",
        "training, tiny, full, layers compiled": "left out: compiled for a GPU only",
    }
    for case, losses in report["losses"].items():
        assert losses["gradient_not_finite"] == 0
        assert losses["loss_relative_error"] < (1e-5 if "float32" in case else 1e-2)
        assert losses["gradient_cosine"] > (0.99999 if "float32" in case else 0.99)
    searches = report["agreement of searches"]
    for exact in ("float32", "rescored"):
        assert searches[exact]["overlap_at_10"] > 0.9
        assert searches[exact]["best_score_off_by"] < 1e-4
    timed = [found for key, found in report.items() if key.startswith(("search", "generate"))]
    assert len(timed) == 5 and all(found["users_per_s"] > 0 for found in timed)
    trained = [found for key, found in report.items() if key.startswith("training, tiny, full")]
    assert sum("tokens_per_s" in found for found in trained) == 3
