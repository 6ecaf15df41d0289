from __future__ import annotations
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
import numpy as np
from genrec.errors import DataError

@dataclass(frozen=True)
class SemanticIdTable:
    item_ids: list
    codes: np.ndarray
    codebook_size: int
    centroids: np.ndarray
    names: dict
    @property
    def num_levels(self): return self.codes.shape[1]
    @cached_property
    def _index(self): return {i: n for n, i in enumerate(self.item_ids)}
    @cached_property
    def _tuples(self): return [tuple(map(int, row)) for row in self.codes]
    def knows(self, item_id): return item_id in self._index
    def index_of(self, item_id):
        try: return self._index[item_id]
        except KeyError: raise DataError(f"item '{item_id}' is not in the table") from None
    def codes_of(self, item_id): return self._tuples[self.index_of(item_id)]
    def name_of(self, prefix): return self.names.get(tuple(prefix), f"group {prefix}")
    @classmethod
    def load(cls, path):
        z = np.load(Path(path) / "table.npz", allow_pickle=True)
        names = {tuple(map(int, k.split("-"))): v for k, v in json.loads(str(z["names"])).items()}
        return cls(list(z["item_ids"]), z["codes"], int(z["codebook_size"]), z["centroids"], names)
