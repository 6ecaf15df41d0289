"""What it costs a gateway to keep what it shows, and to say which scorer brought it.

    python -m benchmarks.impressions_cost --run runs/demo/sft

Asks one gateway (``serve_load``) in turn: without keeping impressions, keeping them, and keeping
them with their provenance in the answer. Every page is a new one, so that each is a row of the
store. Prints recommendations a second, and the share of those without, by rounds. Ends with exit
code 1 where keeping them leaves less than 90%.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.serve_load import ROOT, gateway, measure

BAR = 0.9
_pages = count()
KINDS = {
    "not kept": lambda: {"shown": False},
    "kept": lambda: {"arm": str(next(_pages))},
    "kept, provenance asked": lambda: {"arm": str(next(_pages)), "provenance": True},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=ROOT / "runs/demo/sft")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=12, help="of each kind in each round")
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    cpu_ms: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with gateway(arguments.run.resolve(), threads=1) as (url, pid):
        asyncio.run(measure(url, pid, arguments.clients, arguments.seconds))
        for number in range(arguments.rounds):
            # Backwards every other time, so that what grows slower or warmer favours none.
            for kind in list(KINDS) if number % 2 else reversed(KINDS):
                traffic = (arguments.clients, arguments.seconds, 0.0, 0.0, KINDS[kind])
                load = asyncio.run(measure(url, pid, *traffic))
                if load.errors:
                    raise SystemExit(f"{len(load.errors)} errors, such as {load.errors[0]}")
                rates[kind].append(load.per_s)
                cpu_ms[kind].append(1000 * load.cpu_s / len(load.latencies_ms))
            told = ", ".join(f"{kind} {rates[kind][-1]:.1f}" for kind in KINDS)
            print(f"round {number + 1}: {told} recommendations/s", flush=True)
    for kind in KINDS:
        share = np.array(rates[kind]) / rates["not kept"]
        cpu = np.array(cpu_ms[kind]) / cpu_ms["not kept"]
        print(
            f"{kind}: {np.mean(rates[kind]):.1f}/s, {_show(share)} of those not kept; "
            f"{np.mean(cpu_ms[kind]):.2f} ms of the gateway's processor time each, {_show(cpu)}"
        )
    sys.exit(bool(np.mean(np.divide(rates["kept"], rates["not kept"])) < BAR))


def _show(ratios: np.ndarray) -> str:
    error = ratios.std(ddof=1) / np.sqrt(len(ratios)) if len(ratios) > 1 else np.nan
    return f"{ratios.mean():.3f} (standard error {error:.3f})"


if __name__ == "__main__":
    main()
