"""The plugin under vLLM's own types, in vLLM's own environment."""

import os
import subprocess

from tests.vllm_server import ENVIRONMENT, ROOT, VLLM_PYTHON


def test_the_plugin_inside_vllm(vllm, chain):
    done = subprocess.run(
        [str(VLLM_PYTHON), "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/vllm/inside"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**ENVIRONMENT, "GENREC_TEST_BASE": str(chain.pretrain), "PYTHONPATH": os.curdir},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
