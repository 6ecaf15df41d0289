"""Run one library's script in that library's interpreter, and note what it took.

    PYTHON benchmarks/peers/timed.py SCRIPT FOLDER OUT --libraries NAME…

Enters: a script with ``fit`` and ``recommend``, and a folder with events.parquet, items.parquet and
histories/NAME.parquet. Leaves: OUT/NAME.parquet, what the script recommended for each of these, and
OUT/result.json: the seconds of CPU, and errors where the script raised one. The job "many", where
there is one, is also killed at half its time and started again. Knows nothing of genrec, which the
other libraries' environments lack.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import signal
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

MANY = "many"


def load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(module: ModuleType, model: Any, histories: Path, out: Path) -> dict[str, Any]:
    """Recommend for the histories of a file; return the seconds of CPU, or the error."""
    started = time.process_time()
    try:
        module.recommend(model, str(histories), str(out))
    except Exception as error:  # whatever the library raises is the finding
        return {"error": type(error).__name__}
    return {"cpu_s": time.process_time() - started}


def kill_and_start_again(
    module: ModuleType, model: Any, histories: Path, out: Path, cpu_s: float
) -> float:
    """Kill a job of so many seconds at half of them; return the share of them that is needed anew.

    Raises:
        SystemExit: It was over before.
    """

    def run_half() -> None:
        # The signal ends the process at once: nobody handles it.
        signal.setitimer(signal.ITIMER_PROF, cpu_s / 2)
        module.recommend(model, str(histories), str(out))

    process = multiprocessing.get_context("fork").Process(target=run_half)
    process.start()
    process.join()
    if process.exitcode != -signal.SIGPROF:
        raise SystemExit(f"{cpu_s:.1f} s: the job was not killed half-way; ask for more users")
    return float(ask(module, model, histories, out)["cpu_s"]) / cpu_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--libraries", nargs="+", required=True, help="whose versions to note")
    options = parser.parse_args()
    module = load(options.script)
    started = time.process_time()
    tables = (str(options.folder / f"{name}.parquet") for name in ("events", "items"))
    model = module.fit(*tables)
    result: dict[str, Any] = {"fit_cpu_s": time.process_time() - started, "jobs": {}}
    for histories in sorted(options.folder.glob("histories/*.parquet")):
        found = ask(module, model, histories, options.out / histories.name)
        result["jobs"][histories.stem] = found
        if histories.stem == MANY:
            again = options.out / "killed.parquet"
            result["share_done_anew"] = kill_and_start_again(
                module, model, histories, again, found["cpu_s"]
            )
    result["versions"] = {name: version(name) for name in options.libraries}
    (options.out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
