"""Models on the Hugging Face Hub: fetch one by name, upload a folder."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from genrec.arguments import check_path
from genrec.errors import ArtifactError

# The Hub's client runs on one of these, by its version.
_TRANSPORTS = [name for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]
_UNREACHABLE: tuple[type[Exception], ...] = (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OSError,
    *(importlib.import_module(name).HTTPError for name in _TRANSPORTS),
)


def find_model(name: Path | str, revision: str | None = None) -> Path:
    """Return the folder of a model: itself, or the Hub's model of that name, fetched if need be.

    Only text of the form "owner/name" whose owner is no folder here is taken for a name on the
    Hub, so that a mistyped path is not asked for over the network.

    Raises:
        ArtifactError: The Hub cannot be reached, or has no such model.
        WrongTypeError: It is neither text nor a path.
    """
    text, path = str(name), check_path(name, "path")
    if text.count("/") != 1 or text.startswith(("/", ".", "~")):
        return path
    if path.exists() or path.parent.exists():
        return path
    try:
        return Path(snapshot_download(text, revision=revision))
    except _UNREACHABLE as error:
        raise ArtifactError(
            f"'{text}' is no folder here, and the Hugging Face Hub does not give it "
            f"({_first_line(error)}); check the name, the network and HF_TOKEN"
        ) from None


def upload_folder(folder: Path, name: str, private: bool, token: str | None, message: str) -> str:
    """Upload a folder as a model, made if it is new.

    Returns:
        The commit's URL.

    Raises:
        ArtifactError: The Hub cannot be reached, or does not let this user.
    """
    hub = HfApi(token=token)
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        done = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
    except _UNREACHABLE as error:
        raise ArtifactError(
            f"cannot upload to '{name}' ({_first_line(error)}); check the name, the network and "
            "HF_TOKEN (`hf auth login`)"
        ) from None
    return str(done.commit_url)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
