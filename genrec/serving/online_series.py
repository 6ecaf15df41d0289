"""Online metrics as series of Prometheus; a figure that is not known has no sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from genrec.online_metrics import Figures

PREFIX = "genrec_online_"
MAX_RANKS = 20
"""Ranks that have series of their own."""

_FIGURES: dict[str, tuple[str, Callable[[Figures], float | None]]] = {
    "pages": ("Different pages shown.", lambda f: f.pages),
    "users": ("Different known users who were shown a page.", lambda f: f.users),
    "click_through": ("Share of shown items that an event followed.", lambda f: f.click_through),
    "corrected_click_through": (
        "Share of shown items that an event followed, were all ranks looked at like the first.",
        lambda f: f.corrected_click_through,
    ),
    "conversion": ("Share of shown items that a conversion followed.", lambda f: f.conversion),
    "page_click_through": ("Share of pages with a click.", lambda f: f.page_click_through),
    "next_event_hit_rate": (
        "Share of users' next events whose item was last shown.",
        lambda f: f.next_event_hit_rate,
    ),
    "coverage": ("Share of the catalogue shown.", lambda f: f.coverage),
    "gini": ("Inequality of how often items were shown.", lambda f: f.gini),
    "novelty_bits": ("Mean self-information of shown items.", lambda f: f.novelty_bits),
    "new_item_share": (
        "Share of shown items without an event in training.",
        lambda f: f.new_item_share,
    ),
    "repeat_rate": ("Share of items shown to a user again.", lambda f: f.repeat_rate),
    "calibration_error": (
        "Mean distance of shown probabilities from what came next.",
        lambda f: f.calibration_error,
    ),
    "code_drift_psi": (
        "Population stability of events' first codes against training.",
        lambda f: f.code_drift.psi if f.code_drift else None,
    ),
    "code_drift_noise_psi": (
        "What genrec_online_code_drift_psi stays below without drift.",
        lambda f: f.code_drift.noise if f.code_drift else None,
    ),
    "score_drift_psi": (
        "Population stability of scores against the week before.",
        lambda f: f.score_drift.psi if f.score_drift else None,
    ),
    "score_drift_noise_psi": (
        "What genrec_online_score_drift_psi stays below without drift.",
        lambda f: f.score_drift.noise if f.score_drift else None,
    ),
    "model_age_seconds": ("Since the newest event of training.", lambda f: f.model_age_s),
    "counted_timestamp_seconds": ("When these figures were counted.", lambda f: f.until),
}


class OnlineCollector(Collector):
    """Tells the figures as they were last counted, at no cost to a scrape."""

    def __init__(self, latest: Callable[[], Figures | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See ``prometheus_client.registry.Collector``."""
        figures = self._latest()
        for name, (text, read) in _FIGURES.items():
            family = GaugeMetricFamily(PREFIX + name, f"{text} Of the last 24 hours.")
            value = None if figures is None else read(figures)
            if value is not None:
                family.add_metric([], value)
            yield family
        for name, text in (
            ("rank_click_through", "Share of items shown at a rank that an event followed."),
            ("rank_conversion", "Share of items shown at a rank that a conversion followed."),
        ):
            family = GaugeMetricFamily(
                PREFIX + name, f"{text} Of the last 24 hours.", None, ["rank"]
            )
            for one in () if figures is None else figures.ranks[:MAX_RANKS]:
                taken = one.clicks if name == "rank_click_through" else one.conversions
                family.add_metric([str(one.rank)], taken / one.shown)
            yield family
        text = "How often a rank is looked at, as a share of the first. Of the last 24 hours."
        family = GaugeMetricFamily(f"{PREFIX}rank_examination", text, None, ["rank"])
        for one in () if figures is None else figures.ranks[:MAX_RANKS]:
            if one.examination is not None:
                family.add_metric([str(one.rank)], one.examination)
        yield family
