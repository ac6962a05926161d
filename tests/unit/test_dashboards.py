"""The committed dashboards: generated, explained, and asking for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from monitoring.dashboards.files import dashboard_files
from tests.support.dashboards import (
    FOLDER,
    PanelQuery,
    dashboards,
    documented_metrics,
    metric_names,
    panel_queries,
    panels,
    without_variables,
)

PROVISIONING = Path("monitoring/grafana/provisioning")
PAGES = dashboards()
PANELS = [(page, panel) for page, dashboard in PAGES.items() for panel in panels(dashboard)]


def each_panel() -> pytest.MarkDecorator:
    ids = [f"{page}: {panel['title']}" for page, panel in PANELS]
    return pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=ids)


def provisioned(path: str) -> Any:
    return YAML(typ="safe").load((PROVISIONING / path).read_text())


def test_the_committed_files_are_what_the_source_generates() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == dashboard_files()


@each_panel()
def test_a_panel_has_a_title_a_unit_and_queries(panel: dict[str, Any]) -> None:
    assert panel["title"].strip()
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["expr"].strip() for target in panel["targets"])


@each_panel()
def test_a_panel_says_what_is_normal(panel: dict[str, Any]) -> None:
    assert re.search(r"\bNormal\b[^:]*: \S", panel["description"])


@each_panel()
def test_a_panel_reads_from_the_provisioned_data_source(panel: dict[str, Any]) -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    asked = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert asked == [{"type": source["type"], "uid": source["uid"]}] * len(asked)


def test_uids_are_those_that_links_were_made_to() -> None:
    assert {name: page["uid"] for name, page in PAGES.items()} == {
        "overview.json": "tweet-alerts-overview",
        "stream-getter.json": "tweet-alerts-stream-getter",
        "classifier.json": "tweet-alerts-classifier",
        "notifier.json": "tweet-alerts-notifier",
    }


@pytest.mark.parametrize("name", PAGES)
def test_panels_of_a_page_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    everything = PAGES[name]["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in everything)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_links_lead_to_pages_that_exist() -> None:
    links = {link["url"] for _, panel in PANELS for link in panel.get("links", [])}
    assert links
    assert links <= {f"/d/{page['uid']}" for page in PAGES.values()}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_to_the_others_and_shows_the_last_half_hour(name: str) -> None:
    page = PAGES[name]
    (link,) = page["links"]
    assert link["type"] == "dashboards"
    assert all(set(link["tags"]) <= set(other["tags"]) for other in PAGES.values())
    assert (page["time"], page["refresh"]) == ({"from": "now-30m", "to": "now"}, "10s")


@pytest.mark.parametrize("query", panel_queries(), ids=lambda query: f"{query.dashboard}: {query.panel}")
def test_a_query_asks_for_metrics_that_are_documented(query: PanelQuery) -> None:
    assert metric_names(query.expr)
    assert metric_names(query.expr) <= documented_metrics()


def test_compose_opens_the_overview_and_mounts_what_the_provisioning_names() -> None:
    grafana = YAML(typ="safe").load(Path("compose.yaml").read_text())["services"]["grafana"]
    (provider,) = provisioned("dashboards/files.yml")["providers"]
    folder = provider["options"]["path"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/overview.json"
    assert f"./{FOLDER}:{folder}:ro" in grafana["volumes"]


def test_rates_look_back_on_several_scrapes() -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    scrape = YAML(typ="safe").load(Path("monitoring/prometheus/prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"] == "5s"


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ('sum by (label) (rate(a_total{label!="b"}[$__rate_interval]))', {"a_total"}),
        ("1 - (sum(rate(a_total[5m])) or vector(0)) / sum(rate(b_total[5m]))", {"a_total", "b_total"}),
        ("histogram_quantile(0.95, sum by (le, c) (rate(h_bucket[3m]))) > 10", {"h_bucket"}),
        ('min by (s) (up{job="x"}) == 0 or absent(y offset 5m)', {"up", "y"}),
        ("sum(a) by (b) unless on (c) d", {"a", "d"}),
    ],
)
def test_the_metrics_of_a_query_are_found(expr: str, names: set[str]) -> None:
    assert metric_names(expr) == names


def test_an_unknown_variable_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="expected only the variables"):
        without_variables("rate(a_total[$window])")


def test_only_what_shows_trouble_may_be_empty() -> None:
    assert PanelQuery("", "", "sum(rate(stream_getter_reconnects_total[1m]))").may_be_empty
    assert not PanelQuery("", "", "sum(rate(queue_messages_sent_total[1m]))").may_be_empty
    assert not PanelQuery("", "", "sum(stream_getter_posts_dropped_total) or vector(0)").may_be_empty


def test_a_generated_file_is_json_with_a_last_newline() -> None:
    for text in dashboard_files().values():
        assert text.endswith("}\n")
        json.loads(text)
