"""How long it takes until something answers.

    python -m benchmarks.start_up --run runs/demo/pretrain [--rounds 5]

Medians over rounds, in each of which the following take turns, every one in a new process:

1. ``import torch``, the yardstick: nothing that runs a model can be faster.
2. ``genrec --help``.
3. ``genrec recommend`` for one user.
4. ``python -m genrec.serving``, until it listens.

Wall seconds tell what a user waits, CPU seconds what is done meanwhile: on a busy machine compare
those. Of the gateway only wall seconds are taken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks.serve_load import gateway
from genrec.cli.show import output, pick_user
from genrec.data import Dataset
from genrec.model.load import describe_run


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    user = pick_user(Dataset.load(describe_run(run).histories))
    commands = {
        "import torch": ["-c", "import torch"],
        "genrec --help": ["-m", "genrec.cli", "--help"],
        "genrec recommend": ["-m", "genrec.cli", "recommend", "--run", str(run), "--user", user],
    }
    wall: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            before, start = os.times(), time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            wall.setdefault(name, []).append(time.perf_counter() - start)
            after = os.times()
            spent = after.children_user + after.children_system
            cpu.setdefault(name, []).append(spent - before.children_user - before.children_system)
        start = time.perf_counter()
        with gateway(run, threads=1):
            wall.setdefault("the gateway listens", []).append(time.perf_counter() - start)
    table = Table("", "wall s", "CPU s")
    for name, seconds in wall.items():
        table.add_row(
            name, f"{median(seconds):.2f}", f"{median(cpu[name]):.2f}" if name in cpu else ""
        )
    output.print(table)


if __name__ == "__main__":
    main()
