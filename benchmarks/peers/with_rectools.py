"""The job in RecTools: SASRec of the shape of genrec's own, over all histories at once."""

import pandas as pd
from pytorch_lightning import seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

EPOCHS = 200  # best on validation events of 10, 30, 100 and 200; the default is 3


def read(path):
    events = pd.read_parquet(path, columns=["user_id", "item_id", "timestamp"])
    events["datetime"] = pd.to_datetime(events.pop("timestamp"), unit="s")
    return events.assign(weight=1.0)


def fit(events, items):
    seed_everything(0)
    model = SASRecModel(n_blocks=1, n_heads=1, n_factors=64, session_max_len=50, epochs=EPOCHS)
    return model.fit(Dataset.construct(read(events)))


def recommend(model, histories, out):
    known = read(histories)
    users = known["user_id"].unique()
    recommended = model.recommend(
        users, Dataset.construct(known), k=10, filter_viewed=True, on_unsupported_targets="warn"
    )
    recommended.to_parquet(out, index=False)
