"""Write a run as one folder that holds all that answering needs.

Enters: a loaded run and its catalogue. Leaves, of a full model:

    model.safetensors, config.json, tokenizer …   the causal LM, as Hugging Face writes it
    sasrec_head/, forecast/                       where the run has them
    index/                                        semantic IDs, names of codes, item encoder
    data/                                         the catalogue: titles and texts, nobody's events
    README.md, manifest.json

An adapter's folder holds its own weights and such a model as ``base/``. The manifests' relative
paths point inside the folder, so everything that reads a run reads it as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrec.artifacts import (
    MANIFEST,
    find_parent,
    read_manifest,
    save_manifest,
    write_aside,
    write_manifest,
)
from genrec.data import Dataset
from genrec.data.catalogue import write_catalogue
from genrec.model.load import base_of
from genrec.schema import Item
from genrec.semantic_ids.table import CONTENT_FILES, KIND, SemanticIdTable

CARD_FILE = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
PATH_SETTINGS = ("data", "base", "out", "run")
"""Settings that name folders of the machine a run was made on."""
LEFT_BEHIND = (MANIFEST, CARD_FILE, "logs", "*.np[yz]", "*.bin", "*.pt", ".*")


def write_folder(
    run: Path, table: SemanticIdTable, items: Sequence[Item], data: Dataset, folder: Path, card: str
) -> None:
    """Write a run as one folder; an artifact that lies there is replaced when all is written.

    Args:
        run: Base, pretrained or merged model, or an adapter.
        table: The semantic IDs in use.
        items: Entry of each of the table's items, in its order.
        data: What the run was trained on.
        folder: Where to.
        card: Text of the model card.

    Raises:
        ArtifactError: Something else lies there, or a part of the run is gone.
    """
    base = base_of(run)
    with write_aside(folder) as directory:
        if base == run:
            _write_model(run, table, items, data, directory)
        else:
            _copy_files(run, directory)
            _name_base(directory / ADAPTER_CONFIG)
            (directory / "base").mkdir()
            _write_model(base, table, items, data, directory / "base")
            _save_moved(run, directory, {"base": Path("base")})
        (directory / CARD_FILE).write_text(card, encoding="utf-8")


def _write_model(
    model: Path, table: SemanticIdTable, items: Sequence[Item], data: Dataset, directory: Path
) -> None:
    _copy_files(model, directory)
    catalogue, index = directory / "data", directory / "index"
    catalogue.mkdir()
    index.mkdir()
    write_catalogue(items, data, catalogue)
    table.write_files(index)
    settings = read_manifest(find_parent(model, "index")).config
    write_manifest(index, index, KIND, settings, CONTENT_FILES, {"data": catalogue})
    _save_moved(model, directory, {"index": Path("index")})


def _copy_files(source: Path, directory: Path) -> None:
    # A folder that was moved before holds its own parts; they are written anew.
    moved = [name for name in ("base", "index", "data") if (source / name / MANIFEST).exists()]
    ignore = shutil.ignore_patterns(*LEFT_BEHIND, *moved)
    shutil.copytree(source, directory, ignore=ignore, dirs_exist_ok=True)


def _save_moved(source: Path, directory: Path, inside: dict[str, Path]) -> None:
    """Write the manifest of a copy; parents that stay behind are recorded by hash alone."""
    manifest = read_manifest(source)
    parents: dict[str, dict[str, str]] = {
        name: {"content_hash": recorded["content_hash"]}
        for name, recorded in manifest.parents.items()
    }
    for name, path in inside.items():
        found = read_manifest(directory / path).content_hash
        parents[name] = {"path": str(path), "content_hash": found}
    settings = without_paths(manifest.config)
    save_manifest(directory, replace(manifest, config=settings, parents=parents))


def without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without the folders of the machine that a run was made on."""
    return {name: value for name, value in settings.items() if name not in PATH_SETTINGS}


def _name_base(file: Path) -> None:
    """Let PEFT find the base inside the folder, not where it lay in training."""
    settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = "base"
    file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
