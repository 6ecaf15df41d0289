"""Experiments: who is in which arm, which arm is better, and what a policy would have earned.

Statistics alone: knows no model, no store and no HTTP.
"""

from genrec.experiments.ab_result import ABResult, Difference
from genrec.experiments.ab_test import analyse
from genrec.experiments.assignment import Experiment, Exposure
from genrec.experiments.exploration import Explored, explore, propensities
from genrec.experiments.interleaving import Interleaved, Preference, judge, team_draft
from genrec.experiments.logged import LoggedLists
from genrec.experiments.metrics import Metric
from genrec.experiments.off_policy import (
    Estimate,
    OffPolicyReport,
    cascade,
    doubly_robust,
    evaluate_policy,
    ips,
    snips,
)

__all__ = [
    "ABResult",
    "Difference",
    "Estimate",
    "Experiment",
    "Explored",
    "Exposure",
    "Interleaved",
    "LoggedLists",
    "Metric",
    "OffPolicyReport",
    "Preference",
    "analyse",
    "cascade",
    "doubly_robust",
    "evaluate_policy",
    "explore",
    "ips",
    "judge",
    "propensities",
    "snips",
    "team_draft",
]
