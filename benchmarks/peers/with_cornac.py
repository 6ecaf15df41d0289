"""The job in cornac: SASRec of the shape of genrec's own; one user after the other.

`Recommender.recommend` gives a SASRec no history, so users are ranked with `rank`.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cornac.data import SequentialDataset
from cornac.models import SASRec

EPOCHS = 30  # best on validation events of 3, 10 and 30; the default is 10


def read(path):
    events = pq.read_table(path, columns=["user_id", "item_id", "timestamp"])
    return zip(*(column.to_pylist() for column in events.columns), strict=True)


def fit(events, items):
    rows = [(user, user, item, moment) for user, item, moment in read(events)]
    model = SASRec(embedding_dim=64, num_blocks=1, max_len=50, n_epochs=EPOCHS, seed=0)
    return model.fit(SequentialDataset.from_usit(rows))


def recommend(model, histories, out):
    known = {}
    for user, item, _ in read(histories):
        known.setdefault(user, []).append(model.iid_map.get(item))
    item_ids, rows = model.item_ids, []
    for user, items in known.items():
        seen = [item for item in items if item is not None]
        unseen = np.setdiff1d(np.arange(model.num_items), seen)
        ranked, scores = model.rank(0, unseen, history_items=seen)
        best = zip(ranked[:10], np.sort(scores)[::-1], strict=False)
        rows += [
            (user, item_ids[item], float(score), rank)
            for rank, (item, score) in enumerate(best, start=1)
        ]
    names = ("user_id", "item_id", "score", "rank")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), out)
