"""Dashboard and alerts ask only for metrics that the code counts."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "cluster" / "monitoring"
OWN = re.compile(r"ray_itportrait_[a-z_]+")


def counted() -> set[str]:
    """Return the exported names of all metrics that the sources define."""
    names = set()
    for path in (ROOT / "itportrait").rglob("*.py"):
        for kind, name in re.findall(
            r"(Counter|Gauge|Histogram)\(\s*\"(itportrait_[a-z_]+)\"", path.read_text()
        ):
            suffixes = {"Counter": ["_total"], "Gauge": [""], "Histogram": ["_bucket", "_count"]}
            names |= {f"ray_{name}{suffix}" for suffix in suffixes[kind]}
    return names


def test_dashboard_asks_for_metrics_that_exist():
    board = json.loads((MONITORING / "grafana_dashboard.json").read_text())
    targets = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    asked = {name for expression in targets for name in OWN.findall(expression)}
    assert asked
    assert asked <= counted()


def test_alerts_ask_for_metrics_that_exist():
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    assert {name for rule in rules for name in OWN.findall(rule["expr"])} <= counted()


def test_panels_do_not_overlap():
    board = json.loads((MONITORING / "grafana_dashboard.json").read_text())
    taken = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
