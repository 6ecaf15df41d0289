"""Imports without the garbage collector."""

import gc
import subprocess
import sys

import pytest

from genrec.imports import without_garbage_collection


def test_the_collector_comes_back_whatever_happens():
    with pytest.raises(ImportError), without_garbage_collection():
        assert not gc.isenabled()
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_only_what_was_imported_is_passed_over_for_good():
    code = """
import gc
from genrec.imports import without_garbage_collection
for _ in range(2):
    before = gc.get_freeze_count()
    with without_garbage_collection():
        import wsgiref.simple_server
    print(gc.get_freeze_count() > before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
