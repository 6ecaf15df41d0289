"""Two real policies of one A/B test: each is told from the log of the other."""

import pytest

from benchmarks.off_policy import measure


def test_each_policys_click_rate_is_covered_from_the_others_log(shared_data):
    folder = shared_data / "open_bandit"
    if not folder.is_dir():
        pytest.skip(f"no open_bandit at {shared_data}")
    found = measure(folder)
    assert len(found) == 4
    for name, report in found.items():
        for estimator, each in report["estimates"].items():
            assert each["covers"], (name, estimator)
    # From a log that shows everything alike, the estimates say something, too.
    for campaign in ("men", "women"):
        for each in found[f"{campaign}: bts from random's log"]["estimates"].values():
            assert each["high"] < 3 * each["low"]
