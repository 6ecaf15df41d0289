"""A made-up shop whose truth is known: the demo and the tests run on it.

Users hold several interests that rise, fade and are born at planted times, and take items in
an order that can be learned. ``write_toy`` leaves ``events.csv.gz``, ``items.jsonl.gz`` and
``users.csv.gz``, in the form ``prepare`` reads, beside ``truth.json``, which no stage but a check
may read.
"""

from genrec.data.toy.files import write_toy
from genrec.data.toy.world import ToyConfig

__all__ = ["ToyConfig", "write_toy"]
