"""What a GPU makes of genrec: is it right there, how fast does it train, how fast does it search?

    make gpu-check
    python -m benchmarks.gpu_check                         (8 minutes at most)
    python -m benchmarks.gpu_check --device cpu --small    (a dry run, seconds)

Run it from the root of the project. It needs torch >= 2.11 and transformers >= 5.17; without peft,
LoRA is left out. No network, no data: weights are random, which changes no time. Prints one JSON;
tells of its progress on stderr. What no time is left for is named in the report as left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import agreement, training
from benchmarks.gpu_check.machine import describe, free_memory
from benchmarks.gpu_check.search import Searches
from benchmarks.gpu_check.world import SIZES, TINY, Size
from genrec.devices import choose_device

BEAMS, USERS = (20, 50, 256), (1, 16, 64)


class Report:
    """What was found so far, and how much time is left."""

    def __init__(self, budget_s: float, out: Path | None) -> None:
        self.found: dict[str, Any] = {"took_s": {}}
        self._out, self._budget_s, self._start = out, budget_s, time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds left."""
        return self._budget_s - (time.monotonic() - self._start)

    def add(self, name: str, least_s: float, run: Callable[[], object]) -> None:
        """Note what ``run`` returns, if so much time is left.

        An error is noted and ends nothing: a device is lent for minutes, and half a report is worth
        more than none.
        """
        start = time.monotonic()
        if self.left_s < least_s:
            self.found[name] = f"left out: {self.left_s:.0f} s were left"
            return
        try:
            self.found[name] = run()
        except Exception as error:
            self.found[name] = f"{type(error).__name__}: {str(error)[:300]}"
        self.found["took_s"][name] = round(time.monotonic() - start, 1)
        sys.stderr.write(f"{self._budget_s - self.left_s:6.0f} s  {name}\n")
        if self._out is not None:
            self._out.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", help="such as cuda or cpu; a GPU where there is one")
    parser.add_argument("--small", action="store_true", help="a tiny model, as a dry run")
    parser.add_argument("--seconds", type=float, default=450, help="to take at most")
    parser.add_argument("--out", type=Path, help="also write the report here, after each step")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    report = Report(arguments.seconds, arguments.out)
    report.add("machine", 0, lambda: describe(device))
    check(report, device, arguments.small)
    sys.stdout.write(json.dumps(report.found, indent=1) + "\n")


def check(report: Report, device: str, small: bool) -> None:
    """Go through all checks, those that matter most first."""
    sizes = {"tiny": TINY} if small else SIZES
    first = next(iter(sizes.values()))
    users, tokens = (4, 48) if small else (16, 256)
    report.add("losses", 5, lambda: agreement.check_losses(device))
    report.add(
        "agreement of searches", 10, lambda: agreement.check_search(device, first, users, tokens)
    )
    for name, size in reversed(sizes.items()):
        _time_searches(report, name, size, device, small)
    for name, size in reversed(sizes.items()):
        _time_training(report, name, size, device, small)


def _time_training(report: Report, name: str, size: Size, device: str, small: bool) -> None:
    rows, row_tokens, most_s = (2, 128, 0.1) if small else (4, 2048, 4.0)
    for way in training.WAYS:
        key = f"training, {name}, {way.name}"
        if reason := training.left_out(way, device):
            report.found[key] = reason
            continue
        least_s = 0 if small else 60 if way.compiled else 20
        run = partial(training.measure, way, size, rows, row_tokens, device, most_s)
        report.add(key, least_s, run)
        free_memory(device)


def _time_searches(report: Report, name: str, size: Size, device: str, small: bool) -> None:
    prompt_tokens, most_s, least_s = (32, 0.1, 0) if small else (512, 1.5, 15)
    all_beams, all_users = ((4,), (1, 2)) if small else (BEAMS, USERS)
    searches = Searches(size, prompt_tokens, device, most_s)
    for beams in all_beams:
        for users in all_users:
            case = f"search, {name}, {users} users, {beams} beams"
            report.add(case, least_s, partial(searches.ours, users, beams))
        case = f"search, {name}, returning user, {beams} beams"
        report.add(case, least_s, partial(searches.returning_user, beams))
    for beams in all_beams[:2]:
        for users in all_users[:2]:
            case = f"generate, {name}, {users} users, {beams} beams"
            report.add(case, least_s, partial(searches.by_generate, users, beams))
    del searches
    free_memory(device)


if __name__ == "__main__":
    main()
