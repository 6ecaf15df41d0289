"""Alerts and the dashboard ask for metrics that a gateway really has, in PromQL."""

import json
import re
from pathlib import Path

import pytest
import yaml

from genrec.online_metrics import Act, Page, Training, measure
from genrec.serving.monitoring import Metrics
from genrec.serving.online_series import OnlineCollector
from tests.serving.promql import metrics_of

SERVE = Path(__file__).parents[2] / "serve"
ALERTS = yaml.safe_load((SERVE / "monitoring/alerts.yml").read_text())
DASHBOARD = json.loads((SERVE / "monitoring/dashboard.json").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
DURATION = re.compile(r"\d+[smhd]")
OF_PROMETHEUS = {"up"}
# Label values of a page, so that families with labels have samples.
FIGURES = measure(
    (0, 100),
    [Page("page", "user", 50, (("a", -0.5), ("b", -1.5)))],
    [Act("user", "a", 60, "purchase", "page")],
    Training({"a": 3}, {"a": 0, "b": 1}, 10),
    ("purchase",),
    [-1.0, -2.0],
)


@pytest.fixture(scope="module")
def exposed():
    """Names of samples, and what they are samples of."""
    metrics = Metrics()
    metrics.watch(lambda: 0, lambda: 2, lambda: None)
    metrics.requests.labels("POST", "/v1/recommend", "200").inc()
    metrics.request_seconds.labels("/v1/recommend").observe(0.1)
    metrics.refused.labels("rate").inc()
    metrics.registry.register(OnlineCollector(lambda: FIGURES))
    lines = metrics.render().decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def test_every_figure_that_is_known_has_a_sample(exposed):
    online = {name for name in exposed if name.startswith("genrec_online_")}
    assert len(online) == 20
    metrics = Metrics()
    metrics.registry.register(OnlineCollector(lambda: None))
    assert not re.search("^genrec_online", metrics.render().decode(), re.MULTILINE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_a_rule_of_prometheus_on_metrics_that_exist(rule, exposed):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Za-z_]\w*", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description"}
    for text in rule["annotations"].values():
        left = re.sub(r"\{\{ \$(labels\.instance|value)( \| humanize\w*)? \}\}", "", text)
        assert "{" not in left and "}" not in left
    asked = metrics_of(rule["expr"])
    assert asked and asked <= exposed | OF_PROMETHEUS


def test_alerts_have_names_of_their_own():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert all(set(group) == {"name", "rules"} for group in ALERTS["groups"])


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_shows_metrics_that_exist(panel, exposed):
    assert panel["description"] and panel["targets"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert metrics_of(target["expr"]) <= exposed


def test_the_dashboard_lies_in_a_grid_and_its_variables_exist(exposed):
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({one["id"] for one in DASHBOARD["panels"]})
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
    assert used == variables
    (query,) = (one["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")
    assert re.fullmatch(r"label_values\((\w+), \w+\)", query)[1] in exposed


def test_prometheus_reads_the_alerts_where_compose_mounts_them():
    files = yaml.safe_load((SERVE / "prometheus.yml").read_text())["rule_files"]
    mounts = yaml.safe_load((SERVE / "compose.yaml").read_text())["services"]["prometheus"]
    mounted = dict(volume.split(":")[:2][::-1] for volume in mounts["volumes"])
    assert [mounted[path] for path in files] == ["./monitoring/alerts.yml"]


@pytest.mark.parametrize(
    "wrong",
    ["rate(up[5m]", "rate(up[5])", "up{instance=1}", "rat(up[5m])", "up >", "up)", "{a='b'}"],
)
def test_what_is_no_promql_is_refused(wrong):
    with pytest.raises(ValueError):
        metrics_of(wrong)


def test_the_metrics_of_an_expression():
    assert metrics_of('sum by (a) (rate(x_total{b=~"c.*"}[5m])) / y_z > 0.5 * time()') == {
        "x_total",
        "y_z",
    }
