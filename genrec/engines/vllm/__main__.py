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

from genrec.engines.vllm.cpu_blocks import BLOCK, BLOCKS_VARIABLE
from genrec.errors import ConfigError, GenrecError

DEFAULTS = {
    "--logprobs-mode": "processed_logprobs",
    "--max-logprobs": "-1",
    "--generation-config": "vllm",
    # The logits of a model in half precision are rounded too coarsely to rank its items by them.
    "--hf-overrides": '{"head_dtype": "float32"}',
    "--max-lora-rank": "64",
    "--max-loras": "2",
}
RUNNER_VARIABLE = "VLLM_USE_V2_MODEL_RUNNER"


def with_defaults(arguments: list[str], cpu_block: int | None) -> list[str]:
    """Return the arguments with ours where none was given.

    Args:
        arguments: As typed.
        cpu_block: Tokens of a cache block where vLLM runs on a CPU; None elsewhere.

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
    if cpu_block is not None:
        # vLLM's default block is longer than a typical prompt, which would then never be found.
        defaults["--block-size"] = str(cpu_block)
        if cpu_block == BLOCK and "--block-size" not in given:
            os.environ[BLOCKS_VARIABLE] = str(BLOCK)
    added = [
        part for name, value in defaults.items() if name not in given for part in (name, value)
    ]
    if not given & {"--enable-lora", "--no-enable-lora"}:
        added.append("--enable-lora")
    if cpu_block is None and not given & {"--async-scheduling", "--no-async-scheduling"}:
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


def _cpu_block() -> int | None:
    from vllm.platforms import CpuArchEnum, current_platform

    if not current_platform.is_cpu():
        return None
    # Other processors' kernels are not known to take less.
    return BLOCK if current_platform.get_cpu_architecture() == CpuArchEnum.X86 else 32


def main() -> None:
    """Start the server; returns when it was told to stop."""
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="genrec-vllm-") as directory:
        try:
            set_environment(model_of(arguments), Path(directory))
            from genrec.engines.vllm.served import served_here

            served_here()
            sys.argv[1:] = with_defaults(arguments, _cpu_block())
        except GenrecError as error:
            sys.exit(f"error: {error}")
        from vllm.entrypoints.launchers.api_server import entry

        entry.main()


if __name__ == "__main__":
    main()
