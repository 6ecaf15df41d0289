"""The SASRec head that an adapter brings along, in place of the one of its base.

A head knows the items that it was trained on. The base's are those of its ID table; an update may
have met items that were added while serving, so beside its weights lie their IDs and codes, and how
training met the items of the table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from genrec.errors import ArtifactError
from genrec.model.base import SETTINGS_FILE, WEIGHTS_FILE, save_sasrec_head
from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.load import load_sasrec_head
from genrec.model.sasrec_head import SasRecHead, Transitions
from genrec.semantic_ids.table import SemanticIdTable, met_if_seen

ITEMS_FILE = "sasrec_head/items.json"
HEAD_FILES = [WEIGHTS_FILE, SETTINGS_FILE, ITEMS_FILE]


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """A head and the table that it was trained on.

    Attributes:
        head: In evaluation mode.
        table: Its rows are those of the head; ``met`` says how training met each.
        counted_until: Its transition counts hold what came to the store before this moment,
            seconds; 0: nothing but the run's own data.
    """

    head: SasRecHead
    table: SemanticIdTable
    counted_until: int = 0

    def grown(self, table: SemanticIdTable) -> TrainedHead:
        """Return a copy for another version of the table.

        An item that this one does not know has no vector of its own yet: it stands where its codes
        and its text put it.
        """
        items = ItemFeatures.of(table, self.table)
        rows = items.trained
        old = self.head
        head = SasRecHead(len(table), old.centroids.cpu(), old.text_width, old.config)
        weights = {
            name: value.detach().cpu().clone()
            for name, value in old.state_dict().items()
            if not name.startswith("transitions.")
        }
        known = (rows != NO_ROW).unsqueeze(1)
        weights["item_embedding.weight"] = weights["item_embedding.weight"][rows] * known
        head.load_state_dict(weights)
        head.weight, head.terms = old.weight, old.terms
        head.new_item_boost = old.new_item_boost
        if old.transitions is not None:
            openings = old.transitions.openings.cpu()[rows] * known[:, 0]
            votes = _moved(old.transitions.to_votes(), rows.numpy())
            head.transitions = Transitions.of(votes, openings)
        return TrainedHead(head.eval(), replace(table, met=items.met_in_training()))

    def save(self, directory: Path, base_items: int) -> None:
        """Write it into an adapter's folder.

        Args:
            directory: The folder.
            base_items: Rows of the base's own table, which come first.
        """
        save_sasrec_head(self.head, directory)
        described = {
            "item_ids": self.table.item_ids[base_items:],
            "codes": self.table.codes[base_items:].tolist(),
            "met": self.table.how_met.tolist(),
            "counted_until": self.counted_until,
        }
        text = json.dumps(described, ensure_ascii=False)
        (directory / ITEMS_FILE).write_text(text + "\n", encoding="utf-8")


def _moved(votes: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return votes by the rows of another table, given the old row of each. Shape: (N, N)."""
    new = np.full(votes.shape[0], NO_ROW)
    known = np.flatnonzero(rows != NO_ROW)
    new[rows[known]] = known
    pairs = votes.tocoo()
    earlier, later = new[pairs.row], new[pairs.col]
    kept = (earlier != NO_ROW) & (later != NO_ROW)
    moved = (pairs.data[kept], (earlier[kept], later[kept]))
    return sparse.csr_array(moved, shape=(len(rows), len(rows)))


def load_adapter_head(path: Path, base_table: SemanticIdTable) -> TrainedHead | None:
    """Read the head of an adapter; None where it has none and the base's serves.

    Args:
        path: The adapter's folder.
        base_table: The table that the base was made with.

    Raises:
        ArtifactError: It is damaged.
    """
    head = load_sasrec_head(path)
    if head is None:
        return None
    try:
        described = json.loads((path / ITEMS_FILE).read_text(encoding="utf-8"))
        item_ids = [*base_table.item_ids, *described["item_ids"]]
        new = np.array(described["codes"], dtype=base_table.codes.dtype)
        codes = np.concatenate([base_table.codes, new.reshape(-1, base_table.num_levels)])
        if "unseen_rows" in described:  # of an earlier version
            seen = np.ones(len(item_ids), dtype=bool)
            seen[described["unseen_rows"]] = False
            met = met_if_seen(seen)
        else:
            met = np.array(described["met"], dtype=np.uint8)
        counted_until = int(described.get("counted_until", 0))
        rows = head.item_embedding.num_embeddings
        if not len(item_ids) == len(codes) == len(met) == rows:
            raise ValueError(f"{len(item_ids)} items, {len(codes)} codes, {rows} vectors")
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ArtifactError(
            f"the items of the SASRec head in {path} cannot be read ({error}); make it again"
        ) from None
    table = replace(base_table, item_ids=item_ids, codes=codes, met=met, text_vectors=None)
    return TrainedHead(head, table, counted_until)
