"""Serve a base with vLLM: its own OpenAI server, with our plugin and our routes.

    python -m genrec.engines.vllm --model BASE [any argument of vLLM's API server]

Arguments left out get defaults under which only items that exist can be named and beam search finds
its prompts in the prefix cache; --dtype is taken for the weights only. ``docs/vllm.md`` lists them.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from pathlib import Path

from genrec.engines.vllm.cpu_blocks import BLOCK, BLOCKS_VARIABLE
from genrec.engines.vllm.half_weights import WEIGHTS_VARIABLE
from genrec.errors import ConfigError, GenrecError

DEFAULTS = {
    "--logprobs-mode": "processed_logprobs",
    "--max-logprobs": "-1",
    "--generation-config": "vllm",
    # Where a model is left to compute in half precision, its logits at least are not: they would be
    # rounded too coarsely to rank its items by them.
    "--hf-overrides": '{"head_dtype": "float32"}',
    "--max-lora-rank": "64",
    "--max-loras": "2",
}
RUNNER_VARIABLE = "VLLM_USE_V2_MODEL_RUNNER"
ARITHMETIC_VARIABLE = "GENREC_ARITHMETIC"
ARITHMETICS = ("auto", "float32", "model", "bfloat16")
DTYPES = {name: name for name in ("bfloat16", "float16", "float32")}
DTYPES |= {"half": "float16", "float": "float32"}
"""What vLLM calls them."""


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


def with_arithmetic(arguments: list[str], cpu: bool) -> list[str]:
    """Say in what the model is computed: as it is held on a GPU, in float32 on a CPU, or as asked.

    In float32, weights are held as --dtype says or as they were saved, and scores are those of the
    other engine (``genrec.model.precision``).

    Args:
        arguments: As typed.
        cpu: Whether vLLM runs on a CPU.

    Raises:
        ConfigError: A kind of number or of arithmetic that there is not.
    """
    arithmetic = os.environ.get(ARITHMETIC_VARIABLE, "auto")
    if arithmetic not in ARITHMETICS:
        raise ConfigError(
            f"{ARITHMETIC_VARIABLE} is one of {', '.join(ARITHMETICS)} here, not '{arithmetic}'"
        )
    if arithmetic == "bfloat16":
        # The last of two is taken.
        return [*arguments, "--dtype", arithmetic]
    quantized = any(value_of(name, arguments) for name in ("--quantization", "-q"))
    if arithmetic == "model" or quantized:
        return arguments
    asked = value_of("--dtype", arguments) or "auto"
    if asked == "auto":
        asked = _saved_dtype(Path(model_of(arguments)))
    if asked not in DTYPES:
        raise ConfigError(f"--dtype is one of {', '.join(DTYPES)} and auto, not '{asked}'")
    weights = DTYPES[asked]
    if arithmetic == "auto" and not cpu and weights != "float32":
        return arguments
    os.environ[WEIGHTS_VARIABLE] = weights
    # The last of two is taken.
    arguments = [*arguments, "--dtype", "float32"]
    if not cpu and value_of("--lora-dtype", arguments) is None:
        # GPUs have kernels for adapters in half precision only.
        arguments += ["--lora-dtype", weights if weights != "float32" else "bfloat16"]
    return arguments


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
    model = value_of("--model", arguments)
    if model is None:
        raise ConfigError("give the folder of a base: python -m genrec.engines.vllm --model BASE")
    return model


def value_of(name: str, arguments: list[str]) -> str | None:
    """Return what was typed for an argument; None where it was left out."""
    newest = None
    for index, argument in enumerate(arguments):
        typed, equals, value = argument.partition("=")
        if typed.replace("_", "-") == name:
            if equals:
                newest = value
            elif index + 1 < len(arguments):
                newest = arguments[index + 1]
    return newest


def _saved_dtype(base: Path) -> str:
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return config.get("dtype") or config.get("torch_dtype") or "float32"


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
            cpu_block = _cpu_block()
            arguments = with_arithmetic(arguments, cpu=cpu_block is not None)
            sys.argv[1:] = with_defaults(arguments, cpu_block)
        except GenrecError as error:
            sys.exit(f"error: {error}")
        from vllm.entrypoints.launchers.api_server import entry

        entry.main()


if __name__ == "__main__":
    main()
