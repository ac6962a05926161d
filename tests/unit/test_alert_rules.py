"""Rules, their tests and the runbook belong together; promtool's part is in tests/e2e."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.dashboards import documented_metrics, metric_names

RULES = Path("monitoring/prometheus/rules.yml")
RULE_TESTS = Path("monitoring/prometheus/rules_test.yml")
RUNBOOK = Path("docs/runbook.md")


def rules() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(RULES.read_text())["groups"] for rule in group["rules"]]


def names() -> list[str]:
    return [rule["alert"] for rule in rules()]


def each_rule() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rule", rules(), ids=names())


@pytest.fixture(scope="module")
def checks() -> list[dict[str, Any]]:
    tests = YAML(typ="safe").load(RULE_TESTS.read_text())["tests"]
    return [check for test in tests for check in test["alert_rule_test"]]


def test_every_rule_has_a_paragraph_in_the_runbook_and_every_paragraph_a_rule() -> None:
    headings = re.findall(r"^## (\S+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert headings == names()


def test_links_within_the_runbook_lead_to_its_paragraphs() -> None:
    anchors = set(re.findall(r"\]\(#([^)]*)\)", RUNBOOK.read_text()))
    assert anchors
    assert anchors <= {name.lower() for name in names()}


def test_no_rule_has_the_name_of_another() -> None:
    assert len(set(names())) == len(names())


@each_rule()
def test_a_rule_leads_to_its_own_paragraph(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


@each_rule()
def test_a_rule_says_how_grave_it_is_and_what_it_means_in_one_line(rule: dict[str, Any]) -> None:
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["summary"].strip()
    assert "\n" not in rule["annotations"]["summary"].strip()
    assert rule["annotations"]["description"].strip()


@each_rule()
def test_a_rule_asks_for_metrics_that_are_documented(rule: dict[str, Any]) -> None:
    assert metric_names(rule["expr"])
    assert metric_names(rule["expr"]) <= documented_metrics()


@each_rule()
def test_a_rule_is_tested_both_firing_and_silent(rule: dict[str, Any], checks: list[dict[str, Any]]) -> None:
    outcomes = {bool(check["exp_alerts"]) for check in checks if check["alertname"] == rule["alert"]}
    assert outcomes == {True, False}


def test_the_rules_are_loaded_by_prometheus() -> None:
    configuration = YAML(typ="safe").load(Path("monitoring/prometheus/prometheus.yml").read_text())
    assert configuration["rule_files"] == [f"/etc/prometheus/{RULES.name}"]
