"""Commands that start something long: train and serve."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import typer

from genrec.errors import ConfigError

Stage = Literal["pretrain", "sft"]
BUNDLED = "train_configs"
"""Where the files of train/ lie inside an installed genrec."""


def train(
    context: typer.Context,
    stage: Annotated[Stage, typer.Argument(help="pretrain: a base; sft: an adapter.")],
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file of settings, or the name of one of ours such as sft.yaml."),
    ] = None,
    accelerate: Annotated[
        str | None,
        typer.Option(help="accelerate config: a file, or one of ours such as cpu or multi_gpu."),
    ] = None,
    qlora: Annotated[bool, typer.Option(help="Load the base in 4 bits (sft only).")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the resolved settings.")] = False,
) -> None:
    """Train: `accelerate launch` with our entry point. Further words are settings, name=value.

    Words that begin with -- go to `accelerate launch`, such as --num_processes=2.
    """
    ours = [word for word in context.args if not word.startswith("-")]
    theirs = [word for word in context.args if word.startswith("-")]
    if wrong := next((word for word in ours if "=" not in word), None):
        raise ConfigError(
            f"'{wrong}' is no setting; write settings as name=value, and accelerate's options "
            "as --name=value"
        )
    if config is not None:
        ours = ["--config", str(_find(config, "configs")), *ours]
    ours += [*(["--qlora"] if qlora else []), *(["--dry-run"] if dry_run else [])]
    if accelerate is not None:
        theirs = ["--config_file", str(_find(Path(accelerate), "accelerate")), *theirs]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--quiet", *theirs]
    done = subprocess.run([*command, "-m", f"genrec.training.{stage}", *ours])
    raise typer.Exit(done.returncode)


def serve(
    run: Annotated[Path | None, typer.Option(help="The run to serve; GENREC_RUN.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; GENREC_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for a free one; GENREC_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; GENREC_WORKERS.")] = None,
) -> None:
    """Serve a run over HTTP, with the page; settings are environment variables GENREC_*."""
    try:
        from genrec.serving.__main__ import start
    except ModuleNotFoundError as error:
        raise ConfigError(f"serving needs {error.name}: pip install 'genrec[serve]'") from None
    start(run, host, port, workers)


def _find(path: Path, kind: Literal["configs", "accelerate"]) -> Path:
    """Return a file of the user's, or one of ours by its name with or without ending.

    Raises:
        ConfigError: Neither.
    """
    if path.exists():
        return path
    package = Path(str(files("genrec")))
    ours = package / BUNDLED if (package / BUNDLED).is_dir() else package.parent / "train"
    known = sorted((ours / kind).glob("*.yaml"))
    for file in known:
        if str(path) in (file.name, file.stem):
            return file
    names = ", ".join(file.stem for file in known)
    raise ConfigError(f"'{path}' is no file and none of ours; ours are {names}")
