"""The job in genrec: train a model of the demo's size, then a batch job over the histories."""

import tempfile
from pathlib import Path

import pandas as pd

from genrec import Recommender
from genrec.batch.config import BatchConfig
from genrec.batch.job import recommend_all
from genrec.data.prepare import prepare


def fit(events, items):
    folder = Path(tempfile.mkdtemp())
    size = {"hidden_size": 96, "intermediate_size": 256, "num_layers": 3, "num_heads": 3}
    steps = {"row_tokens": 768, "rows_per_step": 3, "rows_per_device": 3}
    config = {
        # By default, each user's last event is held out for an evaluation.
        "prepare": {"test_users": 0},
        "base": {"scratch": size, "review_chars": 80},
        "pretrain": {"epochs": 3, "optimizer": {"learning_rate": 0.004}, **steps},
    }
    Recommender.fit(pd.read_parquet(events), pd.read_parquet(items), config, out=folder)
    return folder


def recommend(folder, histories, out):
    prepare(histories, None, folder / "histories")
    recommend_all(BatchConfig(f"{folder}/pretrain", out, f"{folder}/histories", k=10))
