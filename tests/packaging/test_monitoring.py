"""What Prometheus and Grafana are given: it is well-formed, and of metrics that exist."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.revalidation.place_gauges import GAUGES
from app.revalidation.terms import State
from tests.live import Live
from tests.packaging.test_compose import (
    COMPOSE,
    ROOT,
    SERVICES,
    config,
    dashboard,
    registered,
    routes,
)

RULES = ROOT / "ops/prometheus/rules.yml"
UNITS = ROOT / "ops/prometheus/rules.test.yml"
PROMTOOL = shutil.which("promtool")
METRIC = re.compile(r"\bmodelward_[a-z0-9_]+")
VARIABLE = re.compile(r"\$(\w+)")
PANELS: list[dict[str, Any]] = dashboard()["panels"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]

CHOICES = {one["name"]: one for one in dashboard()["templating"]["list"]}
PLACES = {name: labels for name, (_, labels) in GAUGES.items()}
KNOWN = {"tenant", "kind", "severity", "state", "silenced", "signal"}
"""Labels that are asked of what is no place's."""

promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROMTOOL), *words], capture_output=True, text=True, check=False, timeout=60
    )


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [one for group in groups for one in group["rules"]]


@promtool
def test_the_rules_are_rules() -> None:
    done = run("check", "rules", str(RULES))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


@promtool
def test_the_rules_do_what_their_own_tests_say() -> None:
    done = run("test", "rules", str(UNITS))

    assert done.returncode == 0, done.stdout + done.stderr
    tried = {
        one["alertname"]
        for each in yaml.safe_load(UNITS.read_text())["tests"]
        for one in each["alert_rule_test"]
        if one["exp_alerts"]
    }
    assert len(tried) >= 6
    assert tried <= {one["alert"] for one in rules()}


@promtool
def test_a_rule_that_says_something_else_is_noticed(tmp_path: Path) -> None:
    shutil.copy(UNITS, tmp_path)
    text = RULES.read_text()
    (tmp_path / RULES.name).write_text(text.replace("age_seconds > 30", "age_seconds > 300"))
    assert run("test", "rules", str(tmp_path / UNITS.name)).returncode != 0
    (tmp_path / RULES.name).write_text(text.replace("age_seconds > 30", "age_seconds >> 30"))
    assert run("check", "rules", str(tmp_path / RULES.name)).returncode != 0


def test_rules_are_over_metrics_that_exist() -> None:
    known = registered()
    for one in rules():
        named = set(METRIC.findall(one["expr"]))
        assert named <= known, one["alert"]
        assert named or one["alert"] == "ModelwardDown"


def test_every_rule_says_how_bad_it_is_and_what_comes_next() -> None:
    known = routes()
    names = [one["alert"] for one in rules()]
    assert len(set(names)) == len(names)
    for one in rules():
        assert one["labels"]["severity"] in {"warning", "critical"}, one["alert"]
        assert one["annotations"]["summary"].endswith("."), one["alert"]
        asked = re.match(r"GET (/[^\s?]+)", one["annotations"]["next"])
        assert asked is None or asked[1] in known, one["alert"]


def test_what_labels_are_asked_for_are_those_that_are_set() -> None:
    states = re.findall(r'modelward_revalidations\{state=~"([^"]+)"', RULES.read_text())
    assert states
    assert {word for found in states for word in found.split("|")} <= {one.value for one in State}


def test_prometheus_is_given_the_rules() -> None:
    targets = {each["source"]: each["target"] for each in SERVICES["prometheus"]["configs"]}
    assert yaml.safe_load(config("prometheus"))["rule_files"] == [targets["prometheus-rules"]]
    assert ROOT / COMPOSE["configs"]["prometheus-rules"]["file"] == RULES


def test_the_dashboard_has_what_grafana_asks_for() -> None:
    found = dashboard()
    assert {"uid", "title", "schemaVersion", "panels", "time", "refresh"} <= found.keys()
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel.keys() >= {"id", "type", "title", "gridPos", "datasource", "targets"}
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)


def test_no_panel_covers_another() -> None:
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(0 <= place["x"] <= 24 - place["w"] for place in (p["gridPos"] for p in PANELS))


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_of_metrics_that_exist(query: str) -> None:
    named = set(METRIC.findall(query))
    assert named <= registered()
    assert named or query == 'sum(up{job="modelward"})'
    assert set(VARIABLE.findall(query)) <= {"__rate_interval", *CHOICES}


def labels_of(text: str) -> list[tuple[str, set[str]]]:
    """Return the metrics of an expression, each with the labels that are asked of it."""
    found = re.findall(r"\b(modelward_[a-z0-9_]+)(?:\{([^}]*)\})?", text)
    return [(metric, set(re.findall(r"(\w+)[!=]~?=?\"", asked))) for metric, asked in found]


def test_the_dashboard_lets_one_choose_by_labels_that_are_there() -> None:
    assert [*CHOICES] == ["tenant", "decision_point", "model"]
    known: set[str] = set()
    for name, one in CHOICES.items():
        parts = re.fullmatch(r"label_values\((.+), (\w+)\)", one["query"])
        assert parts is not None
        assert parts[2] == name
        assert set(METRIC.findall(parts[1])) <= registered()
        # What is chosen before narrows what is left to choose from.
        assert set(VARIABLE.findall(parts[1])) == known
        assert one["includeAll"] is True
        assert one["allValue"] == ".*"
        known.add(name)


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_of_a_tenant_or_a_place_follows_what_was_chosen(query: str) -> None:
    for metric, asked in labels_of(query):
        offered = set(PLACES.get(metric, ()))
        if offered:
            assert asked == offered & set(CHOICES), metric
        assert asked <= (offered or KNOWN), metric


def test_no_gauge_of_places_is_missing_in_the_dashboard() -> None:
    shown = {metric for query in QUERIES for metric, _ in labels_of(str(query.values[0]))}
    assert shown >= PLACES.keys()


@promtool
def test_every_query_parses(tmp_path: Path) -> None:
    asked = [str(query.values[0]).replace("$__rate_interval", "5m") for query in QUERIES]
    recorded = [{"record": f"query:{n}", "expr": query} for n, query in enumerate(asked)]
    made = tmp_path / "queries.yml"
    made.write_text(json.dumps({"groups": [{"name": "queries", "rules": recorded}]}))

    done = run("check", "rules", str(made))
    assert done.returncode == 0, done.stdout + done.stderr
    recorded[0]["expr"] = "sum(("
    made.write_text(json.dumps({"groups": [{"name": "queries", "rules": recorded}]}))
    assert run("check", "rules", str(made)).returncode != 0


def test_a_running_server_offers_what_rules_and_dashboard_ask_for(live: Live) -> None:
    text = httpx.get(f"{live.url}/metrics").text
    offered = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    asked = set(METRIC.findall(RULES.read_text() + json.dumps(dashboard())))

    missing = {
        name
        for name in asked
        if not {name, re.sub(r"_(total|bucket|sum|count)$", "", name)} & offered
    }
    assert missing == set()
