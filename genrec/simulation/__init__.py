"""Toy users who live through days and answer what a recommender shows them.

Enters: a toy world and one or several arms: gateways, or a ranker in their place. Leaves: a row for
each arm and day, and how the arms compare. Users know what they like by the toy world's planted
interests, which go on drifting; the arms learn of it only by what users do.
"""

from genrec.simulation.arms import Arm, Shown
from genrec.simulation.days import SimulationConfig, simulate
from genrec.simulation.results import Results

__all__ = ["Arm", "Results", "Shown", "SimulationConfig", "simulate"]
