"""Imports of large libraries where a process begins: a command, the gateway."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector from what is imported here, meanwhile and ever after.

    torch and transformers make a million objects that live as long as the process. To look through
    them again and again takes a quarter of the time that their import takes, and as long once more
    when the process ends.
    """
    known = len(sys.modules)
    # What DuckDB made before would never be freed, and it complains of that in the end.
    begins = "duckdb" not in sys.modules
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if begins and len(sys.modules) > known:
            gc.freeze()
