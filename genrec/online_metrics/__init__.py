"""What users make of what they are shown: figures over stored impressions and events.

Enters: pages, events, and what the model knew when it was trained. Leaves: one ``Figures`` for each
window. Pure functions: knows no store, clock or HTTP. ``docs/monitoring.md`` defines every figure.
"""

from genrec.online_metrics.drift import Drift, population_stability
from genrec.online_metrics.figures import Bin, Figures, RankFigures, measure
from genrec.online_metrics.pages import Act, Page, Training

__all__ = [
    "Act",
    "Bin",
    "Drift",
    "Figures",
    "Page",
    "RankFigures",
    "Training",
    "measure",
    "population_stability",
]
