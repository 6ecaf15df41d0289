"""API keys, of which only hashes are kept.

A key is 256 random bits, so one round of SHA-256 cannot be turned back; a slow hash such as scrypt
protects guessable passwords, and would cost every request its time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from genrec.errors import ConfigError

PREFIX = "genrec_"
MIN_CHARS = 32
_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64}):(?P<hash>[0-9a-f]{64})")


def make_key() -> str:
    """Return a new random key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return what is kept of a key.

    Raises:
        ConfigError: The key is short enough to be guessed.
    """
    if len(key) < MIN_CHARS:
        raise ConfigError(
            f"a key needs at least {MIN_CHARS} random characters, this one has {len(key)}; "
            "`python -m genrec.serving hash-key NAME` makes one"
        )
    return hashlib.sha256(key.encode()).hexdigest()


def find_key(hashes: Mapping[str, bytes], key: str) -> str | None:
    """Return the name of a key, None for an unknown one; takes equally long for any key."""
    presented = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    found = None
    for name, expected in hashes.items():
        if hmac.compare_digest(presented, expected):
            found = name
    return found


def read_keys(listed: str, file: Path | None) -> dict[str, bytes]:
    """Read hashed keys, NAME:HASH, from a comma-separated list and from the lines of a file.

    Returns:
        Hashes by name.

    Raises:
        ConfigError: The file cannot be read or an entry is none; entries are not quoted, lest a
            key pasted in place of its hash ends up in a log.
    """
    entries = [(f"entry {n} of GENREC_API_KEYS", e) for n, e in enumerate(listed.split(","), 1)]
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"GENREC_API_KEYS_FILE: {file} cannot be read ({type(error).__name__})"
            ) from None
        entries += [(f"line {number} of {file}", line) for number, line in enumerate(lines, 1)]
    hashes: dict[str, bytes] = {}
    for place, entry in entries:
        entry = entry.partition("#")[0].strip()
        if not entry:
            continue
        match = _LINE.fullmatch(entry)
        if match is None:
            raise ConfigError(
                f"{place} is not NAME:HASH with 64 hexadecimal digits; "
                "`python -m genrec.serving hash-key NAME` prints one"
            )
        if match["name"] in hashes:
            raise ConfigError(f"{place}: the name '{match['name']}' is there already")
        hashes[match["name"]] = bytes.fromhex(match["hash"])
    if file is not None and not hashes:
        raise ConfigError(f"GENREC_API_KEYS_FILE: {file} holds no key; nobody could ask")
    return hashes
