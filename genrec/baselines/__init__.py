"""The cheap rankers that any model has to beat; fitted on the train split alone."""

from __future__ import annotations

from genrec.baselines.item_knn import ItemKNN
from genrec.baselines.markov import Markov
from genrec.baselines.popularity import Popularity
from genrec.baselines.repeat_last import RepeatLast
from genrec.baselines.scoring import ScoringRanker
from genrec.data import Dataset

__all__ = ["ItemKNN", "Markov", "Popularity", "RepeatLast", "fit_baselines"]


def fit_baselines(data: Dataset) -> list[ScoringRanker]:
    """Fit every baseline on a data set's train split."""
    return [kind.fit(data) for kind in (Popularity, RepeatLast, ItemKNN, Markov)]
