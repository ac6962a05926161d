"""What Prometheus, the dashboards and Alertmanager see of the real system."""

import math
import re
from collections.abc import Callable

import pytest
import requests

from demo.stack import client
from tests.support.compose_system import SERVICES, ComposeSystem, eventually
from tests.support.dashboards import PanelQuery, documented_metrics, panel_queries
from tests.support.load import load, service_metrics

#: Dashboards look at rates over a minute; the slowest scrape and look at the queues come on top.
UNTIL_SEEN = 120.0
#: These tell how much is wrong or waiting, so 0 is their best value.
ZERO_IS_FINE = re.compile(
    r"_depth|oldest_message_age|buffered_bytes|vector\(0\)|outcome!?[=~]|== bool|absent"
    r"|refused|failures|given_back|dead_lettered|claims_lost|unsendable|budget"
    r"|endpoint_breaker|posts_in_hand|classifier_answers_total"
)


@pytest.fixture(scope="module")
def query(system: ComposeSystem) -> Callable[[str], list[float]]:
    url = system.url("prometheus", 9090) + "/api/v1/query"

    def ask(expr: str) -> list[float]:
        answer = requests.get(url, params={"query": expr}, timeout=10).json()
        assert answer["status"] == "success", f"{expr}: {answer}"
        values = [float(series["value"][1]) for series in answer["data"]["result"]]
        return [value for value in values if not math.isnan(value)]

    return ask


def test_each_panel_shows_something_after_load(system: ComposeSystem, query: Callable[[str], list[float]]) -> None:
    def empty() -> list[PanelQuery]:
        return [
            panel
            for panel in panel_queries()
            if (not panel.may_be_empty and not (values := query(panel.expr)))
            or not (panel.may_be_empty or ZERO_IS_FINE.search(panel.expr) or any(values))
        ]

    with load(system, "watched"):
        eventually(lambda: not empty(), UNTIL_SEEN, lambda: "\n".join(map(str, empty())))


def test_a_query_for_a_metric_that_does_not_exist_shows_nothing(query: Callable[[str], list[float]]) -> None:
    assert query("sum(stream_getter_posts_recieved_total)") == []


def test_the_services_export_what_the_reference_documents(system: ComposeSystem) -> None:
    exported: set[str] = set()
    ports = {**dict.fromkeys(SERVICES, 9100), "model": 8080}
    for service, port in ports.items():
        metrics = service_metrics(system, service, port=port)
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", metrics, re.MULTILINE):
            if name.startswith(("python_", "process_")) or name.endswith("_created"):
                continue
            exported |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    documented = {name for name in documented_metrics() if not name.startswith(("process_", "ALERTS")) and name != "up"}
    assert exported == documented


def test_every_service_is_scraped_under_its_name(query: Callable[[str], list[float]]) -> None:
    for service in SERVICES:
        assert query(f'up{{job="services", service="{service}"}}') == [1.0]
    assert query('up{job="model", service="model"}') == [1.0]


def test_a_dead_letter_is_seen_at_alertmanager(system: ComposeSystem) -> None:
    sqs = client("sqs", system.url("localstack", 4566))
    posts = sqs.get_queue_url(QueueName="tweet-alerts-local-posts")["QueueUrl"]
    dead_letters = sqs.get_queue_url(QueueName="tweet-alerts-local-posts-dlq")["QueueUrl"]
    sqs.send_message(QueueUrl=posts, MessageBody="no post at all")
    try:

        def fired() -> bool:
            alerts = requests.get(system.url("alertmanager", 9093) + "/api/v2/alerts", timeout=10).json()
            return any(
                alert["labels"]["alertname"] == "DeadLetters"
                and alert["labels"]["queue"] == "posts-dlq"
                and alert["status"]["state"] == "active"
                for alert in alerts
            )

        eventually(fired, 180)
        (letter,) = sqs.receive_message(QueueUrl=dead_letters, MessageAttributeNames=["All"])["Messages"]
        assert letter["Body"] == "no post at all"
        assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("not a post: ")
        assert letter["MessageAttributes"]["service"]["StringValue"] == "classifier"
    finally:
        sqs.purge_queue(QueueUrl=dead_letters)
