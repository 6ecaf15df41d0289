"""The cheap rankers that any model has to beat; fitted on the train split alone."""

from __future__ import annotations

from genrec.data import Dataset
from genrec.evaluate.baselines.item_knn import ItemKNN
from genrec.evaluate.baselines.markov import Markov
from genrec.evaluate.baselines.popularity import Popularity
from genrec.evaluate.baselines.repeat_last import RepeatLast
from genrec.evaluate.baselines.scoring import ScoringRanker

__all__ = ["ItemKNN", "Markov", "Popularity", "RepeatLast", "fit_baselines"]


def fit_baselines(data: Dataset) -> list[ScoringRanker]:
    """Fit every baseline on a data set's train split."""
    return [kind.fit(data) for kind in (Popularity, RepeatLast, ItemKNN, Markov)]
