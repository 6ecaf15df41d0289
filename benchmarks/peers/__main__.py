"""Recommend for a whole user base into one file: the same job in genrec, RecTools and cornac.

    make bench-peers
    python -m benchmarks.peers --data runs/demo/data \
        --python rectools=.venv-rectools/bin/python cornac=.venv-cornac/bin/python

Each library trains a SASRec of the same shape (genrec: its model, which has one inside) on all but
the test events, in its own interpreter, through the script with_NAME.py: what a user of the library
writes. `inputs.py` says what it is given, `timed.py` how it is run, `judge.py` what is
read off its answers. One thread; time is the processor's, so that other work on the machine does
not count. Writes results.json beside this file, from which `benchmarks/results_page.py` makes its
section; prints that section.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.code_lines import count_code_lines
from benchmarks.peers.inputs import write_job
from benchmarks.peers.judge import accuracy, judge, ndcg, read_lists
from benchmarks.peers.section import RESULTS, write_section
from genrec.data import Dataset

HERE = Path(__file__).parent
OURS = "genrec"
LIBRARIES = {
    OURS: ("genrec", "torch"),
    "rectools": ("rectools", "torch"),
    "cornac": ("cornac", "torch"),
}
"""Whose versions count, by the name of the script."""


def run(name: str, python: str, folder: Path, out: Path) -> dict[str, Any]:
    """Run a library's script over a folder of ``inputs.py``; return what ``timed.py`` noted."""
    out.mkdir(parents=True)
    command = [python, "-P", HERE / "timed.py", script(name), folder, out]
    command += ["--libraries", *LIBRARIES[name]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(out)}
    ended = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"{name}: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def script(name: str) -> Path:
    return HERE / f"with_{name}.py"


def measure(data: Dataset, pythons: Mapping[str, str], users: int, folder: Path) -> dict[str, Any]:
    """Return everything about the libraries that have an interpreter."""
    new = write_job(data, folder / "job", users)
    targets = {
        example.history.user_id: example.targets[0].item_id
        for example in data.examples("test")
        if example.targets[0].item_id not in new
    }
    libraries: dict[str, dict[str, Any]] = {}
    gains = {}
    for name, python in pythons.items():
        out = folder / name
        result = run(name, python, folder / "job", out)
        gains[name] = ndcg(read_lists(out / "known.parquet"), targets)
        libraries[name] = {
            "code_lines": count_code_lines(script(name).read_text(encoding="utf-8")),
            **judge(result, out, users, new),
        }
        print(json.dumps({name: libraries[name]}), file=sys.stderr, flush=True)
    for name, found in accuracy(gains, OURS).items():
        libraries[name] |= found
    return {
        "processor": _processor(),
        "data": data.manifest.content_hash,
        "users": sum(1 for _ in data.histories("valid")),
        "asked_users": len(targets),
        "many_users": users,
        "items": len(data.items),
        "new_items": len(new),
        "libraries": libraries,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="prepared, leave-one-out")
    parser.add_argument("--python", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--users", type=int, default=4000, help="made up, to measure the speed")
    options = parser.parse_args()
    pythons = {OURS: sys.executable} | dict(each.split("=", 1) for each in options.python)
    if unknown := {*pythons} - {*LIBRARIES}:
        parser.error(f"no script for {min(unknown)}; there are {', '.join(LIBRARIES)}")
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Dataset.load(options.data), pythons, options.users, Path(folder))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(write_section(results))


if __name__ == "__main__":
    main()
