"""What every stage leaves on disk: a directory with a manifest, written whole or not at all.

The manifest states the artifact's kind, format version, the configuration that made it, the
content hash and the artifacts it was built on. Loading checks all of these.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from genrec.errors import ArtifactError

MANIFEST = "manifest.json"
FORMAT_VERSION = 4
"""Version 3 differs by NumPy files where safetensors are now."""
RECORDED_LIBRARIES = ("genrec", "torch", "transformers", "peft", "accelerate", "numpy", "duckdb")


@dataclass(frozen=True)
class Manifest:
    """What an artifact is and what it was made from.

    Attributes:
        kind: "data", "index", "base", "pretrain", "sft" or "merged".
        config: Settings that made it, as plain JSON.
        content_hash: Hash of the files that define it; children record it.
        parents: For each parent kind its content hash and its path relative to this artifact; no
            path where the parent stayed behind when the artifact was moved.
        versions: Library versions at the time.
        commit: Short hash of the checkout that genrec ran from, with "+" when its files differ
            from it; None where genrec was installed otherwise.
        format_version: Raised when the layout on disk changes.
        resumed: For a training that was cut off: when it went on ("at") and after how many steps
            ("step"), oldest first; None where nothing came between.
    """

    kind: str
    config: dict[str, Any]
    content_hash: str
    parents: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    format_version: int = FORMAT_VERSION
    resumed: list[dict[str, Any]] | None = None


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a scratch directory beside ``path`` that takes its place only on success.

    An existing artifact at ``path`` is replaced; any other existing, non-empty directory is not
    touched.

    Raises:
        ArtifactError: ``path`` exists and is not an artifact, or nothing can be written there.
    """
    path = Path(path)
    check_output(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        reason = error.strerror or error
        raise ArtifactError(f"cannot write {path} ({reason}); choose another output") from None
    # mkdtemp makes a private directory; an artifact is readable like any other output.
    umask = os.umask(0)
    os.umask(umask)
    scratch.chmod(0o777 & ~umask)
    try:
        yield scratch
        if path.exists():
            shutil.rmtree(path)
        os.replace(scratch, path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def check_output(path: Path) -> None:
    """Check that an artifact may be written to a path.

    Raises:
        ArtifactError: Something else is there.
    """
    path = Path(path)
    if path.exists() and not (path / MANIFEST).exists() and not _is_empty_directory(path):
        raise ArtifactError(
            f"{path} exists and is not a genrec artifact; choose another output or remove it"
        )


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def hash_files(paths: list[Path]) -> str:
    """Return a hash of the files' contents, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def write_manifest(
    directory: Path,
    final_path: Path,
    kind: str,
    config: Mapping[str, Any],
    content: list[str],
    parents: Mapping[str, Path] | None = None,
) -> Manifest:
    """Write the manifest of an artifact still lying in its scratch directory.

    Args:
        directory: Where the files lie now.
        final_path: Where they will lie; parents are recorded relative to it.
        kind: See ``Manifest``.
        config: Settings that made it.
        content: Names of the files that define the artifact, relative to ``directory``.
        parents: Paths of the artifacts it was built on, by kind.
    """
    manifest = Manifest(
        kind=kind,
        config=dict(config),
        content_hash=hash_files([directory / name for name in content]),
        parents={
            name: {
                "path": os.path.relpath(path, final_path),
                "content_hash": read_manifest(path).content_hash,
            }
            for name, path in (parents or {}).items()
        },
        versions=_library_versions(),
        commit=_checkout_commit(),
    )
    save_manifest(directory, manifest)
    return manifest


def save_manifest(directory: Path, manifest: Manifest) -> None:
    """Write a manifest into an artifact's folder."""
    content_of = {name: value for name, value in asdict(manifest).items() if value is not None}
    text = json.dumps(content_of, indent=2, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(path: Path, kind: str | tuple[str, ...] | None = None) -> Manifest:
    """Read and check an artifact's manifest.

    Raises:
        ArtifactError: Nothing there, damaged, of another format, or not of the wanted kind.
    """
    path = Path(path)
    try:
        exists = path.exists()
    except OSError as error:  # such as a name that is too long
        raise ArtifactError(f"{str(path)[:60]}… cannot be a path ({error.strerror})") from None
    if not exists:
        raise ArtifactError(f"{path} does not exist; check the path or run the stage that makes it")
    try:
        manifest = Manifest(**json.loads((path / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ArtifactError(f"{path} has no {MANIFEST}: it is not a genrec artifact") from None
    except NotADirectoryError:
        raise ArtifactError(f"{path} is a file; a genrec artifact is a directory") from None
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{path / MANIFEST} is damaged ({error}); make it again") from None
    if manifest.format_version != FORMAT_VERSION:
        newer = manifest.format_version > FORMAT_VERSION
        remedy = "it was made by a newer genrec: upgrade" if newer else "make it again"
        raise ArtifactError(
            f"{path} has format version {manifest.format_version}, this genrec reads "
            f"{FORMAT_VERSION}; {remedy}"
        )
    kinds = (kind,) if isinstance(kind, str) else kind
    if kinds is not None and manifest.kind not in kinds:
        raise ArtifactError(
            f"{path} is a '{manifest.kind}' artifact; this needs {' or '.join(map(repr, kinds))}"
        )
    return manifest


def find_parent(path: Path, parent_kind: str) -> Path:
    """Return the path of an artifact's parent, checked to be the very one it was built on.

    Raises:
        ArtifactError: No such parent recorded, gone, or changed since.
    """
    path = Path(path)
    recorded = read_manifest(path).parents.get(parent_kind)
    if recorded is None:
        raise ArtifactError(f"{path} records no '{parent_kind}' parent")
    if "path" not in recorded:
        raise ArtifactError(
            f"{path} was built on {parent_kind} {recorded['content_hash']}, which is not part of it"
        )
    parent = Path(os.path.normpath(path / recorded["path"]))
    check_parent(path, parent_kind, parent)
    return parent


def check_parent(path: Path, parent_kind: str, parent: Path) -> None:
    """Check that ``parent`` is the artifact that ``path`` was built on.

    Raises:
        ArtifactError: It is another one.
    """
    recorded = read_manifest(path).parents.get(parent_kind, {}).get("content_hash")
    found = read_manifest(parent).content_hash
    if recorded != found:
        raise ArtifactError(
            f"{path} was built on {parent_kind} {recorded}, but {parent} is {found}; "
            f"build {path} again or point to the {parent_kind} it was made for"
        )


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in RECORDED_LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@cache
def _checkout_commit() -> str | None:
    root = Path(__file__).parents[1]
    # Without a .git of its own the package lies in somebody else's checkout, or in none.
    if not (root / ".git").exists():
        return None
    command = ("git", "-C", str(root), "describe", "--always", "--exclude=*", "--dirty=+")
    # Looking must not write: several processes look at once.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
