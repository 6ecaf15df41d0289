"""Serve a base with vLLM: its own OpenAI server, with our plugin and our routes.

    python -m genrec.engines.vllm --model BASE [any argument of vLLM's API server]

Arguments left out get defaults under which only items that exist can be named, and beam search
finds its prompts in the prefix cache. ``docs/vllm.md`` lists them.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path

from genrec.errors import ConfigError, GenrecError

DEFAULTS = {
    "--logprobs-mode": "processed_logprobs",
    "--max-logprobs": "-1",
    "--generation-config": "vllm",
    "--max-lora-rank": "64",
    "--max-loras": "2",
}
RUNNER_VARIABLE = "VLLM_USE_V2_MODEL_RUNNER"


def with_defaults(arguments: list[str], is_cpu: bool) -> list[str]:
    """Return the arguments with ours where none was given.

    Raises:
        ConfigError: An argument under which items that do not exist could be named.
    """
    given = {argument.partition("=")[0].replace("_", "-") for argument in arguments}
    if given & {"--speculative-config", "-sc"}:
        raise ConfigError(
            "vLLM runs no logits processor under speculative decoding, so items would not be kept "
            "to those that exist; leave --speculative-config out"
        )
    defaults = dict(DEFAULTS)
    if is_cpu:
        # vLLM's default block is longer than a typical prompt, which would then never be found.
        defaults["--block-size"] = "32"
    added = [
        part for name, value in defaults.items() if name not in given for part in (name, value)
    ]
    if not given & {"--enable-lora", "--no-enable-lora"}:
        added.append("--enable-lora")
    if not is_cpu and not given & {"--async-scheduling", "--no-async-scheduling"}:
        added.append("--no-async-scheduling")
    return [*arguments, *added]


def set_environment(model: str, directory: Path) -> None:
    """Tell every process of the server what is served.

    Args:
        model: Folder of the base.
        directory: For the file of a table put while serving.
    """
    os.environ["GENREC_BASE"] = model
    os.environ.setdefault("GENREC_TABLE", str(directory / "table.npz"))
    os.environ["GENREC_SEARCH_KEY"] = secrets.token_hex(16)
    plugins = os.environ.get("VLLM_PLUGINS", "").split(",")
    os.environ["VLLM_PLUGINS"] = ",".join(filter(None, [*plugins, "genrec"]))
    # Our plugin supports both runners; only the first has run for us on every machine.
    os.environ.setdefault(RUNNER_VARIABLE, "0")


def model_of(arguments: list[str]) -> str:
    """Return the folder that --model names.

    Raises:
        ConfigError: None is named.
    """
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--model":
            if equals:
                return value
            if place + 1 < len(arguments):
                return arguments[place + 1]
    raise ConfigError("give the folder of a base: python -m genrec.engines.vllm --model BASE")


def main() -> None:
    """Start the server; returns when it was told to stop."""
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="genrec-vllm-") as directory:
        try:
            set_environment(model_of(arguments), Path(directory))
            from genrec.engines.vllm.served import served_here

            served_here()
            from vllm.platforms import current_platform

            sys.argv[1:] = with_defaults(arguments, current_platform.is_cpu())
        except GenrecError as error:
            sys.exit(f"error: {error}")
        from vllm.entrypoints.launchers.api_server import entry

        entry.main()


if __name__ == "__main__":
    main()
