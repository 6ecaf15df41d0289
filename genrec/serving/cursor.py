"""Where a user is in a long list: the items of the pages before, as a text to send back."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Collection, Iterable

from genrec.serving.errors import ServiceError

MAX_BYTES = 2**20


def write_cursor(item_ids: Iterable[str]) -> str:
    """Return the cursor of who has been shown some items."""
    packed = zlib.compress(json.dumps(list(item_ids), ensure_ascii=False).encode())
    return base64.urlsafe_b64encode(packed).decode()


def read_cursor(cursor: str, most: int) -> Collection[str]:
    """Return the items that a cursor says were shown, the first first.

    Raises:
        ServiceError: Nobody was given such a cursor, or it is of more than ``most`` items.
    """
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(base64.b64decode(cursor, b"-_", validate=True), MAX_BYTES)
        item_ids = json.loads(text)
        if unpacking.unconsumed_tail or not isinstance(item_ids, list):
            raise ValueError
        # Neither what is no text nor half of a surrogate pair was ever written.
        "".join(item_ids).encode()
    except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError):
        raise ServiceError(
            "bad_cursor", "cursor: send back the `cursor` of the page before, as it was given"
        ) from None
    if len(item_ids) > most:
        raise ServiceError(
            "too_many", f"cursor: {len(item_ids)} items were shown; at most {most} may be"
        )
    return dict.fromkeys(item_ids)
