"""From an evaluation back to the run, the semantic-ID table and the data it rests on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from genrec.artifacts import Manifest, read_manifest
from genrec.errors import ArtifactError


@dataclass(frozen=True)
class Lineage:
    """The artifacts under another one, as they lie on disk now.

    Attributes:
        paths: Nearest artifact of each kind.
        manifests: Theirs.
        data_hashes: Hash of the data that each artifact says it was made from, by its path.
        missing: What is gone or was made anew since, one line each.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    data_hashes: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def trace(path: Path) -> Lineage:
    """Follow an artifact's parents as far as they can be reached."""
    lineage, missing, queue = Lineage(), [], [Path(path)]
    while queue:
        child = queue.pop(0)
        for name, recorded in read_manifest(child).parents.items():
            if "path" not in recorded:
                missing.append(f"the {name} of {child} stayed behind when it was moved")
                continue
            parent = Path(os.path.normpath(child / recorded["path"]))
            if name == "data":
                lineage.data_hashes[str(child)] = recorded["content_hash"]
            try:
                manifest = read_manifest(parent)
            except ArtifactError as error:
                missing.append(str(error))
                continue
            if manifest.content_hash != recorded["content_hash"]:
                missing.append(f"{parent} was made anew since {child} was built on it")
            elif manifest.kind not in lineage.paths:
                lineage.paths[manifest.kind] = parent
                lineage.manifests[manifest.kind] = manifest
                queue.append(parent)
    return Lineage(lineage.paths, lineage.manifests, lineage.data_hashes, tuple(missing))
