"""One post's way through the real services, followed by its trace id in messages and log lines."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.stack import service_environment
from tests.support.emulator import Emulator
from tests.support.misbehaving_server import MisbehavingServer, json_line, respond, silence, stream
from tests.support.polling import wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.service_process import (
    CONFIG,
    SECONDS,
    Run,
    asked,
    log_after_sigterm,
    running_services,
    variables_for,
)

SERVICES = ("stream-getter", "classifier", "notifier")
TEXT = "words of the post that nobody logs"
LINE = json_line(data={"id": "1790", "text": TEXT, "author_id": "7"}, includes={"users": [{"id": "7", "name": "Ana"}]})
SCORES = respond("200 OK", json.dumps([{"sequence": TEXT, "labels": ["flood"], "scores": [0.9]}]).encode())

Logs = Mapping[str, list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[RecordingProxy]:
    with RecordingProxy(emulator.url) as proxy:
        yield proxy


def the_trace_id(message: Mapping[str, Any]) -> str:
    attribute = message["MessageAttributes"]["trace_id"]
    assert attribute["DataType"] == "String"
    return str(attribute["StringValue"])


def events_of(log: list[dict[str, Any]], trace_id: str) -> list[str]:
    return [line["event"] for line in log if line.get("trace_id") == trace_id]


def test_a_post_is_followed_by_its_trace_id_and_its_text_is_in_no_log(
    run: Run, emulator: Emulator, proxy: RecordingProxy, stack: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text(CONFIG)
    emulator.client("sqs").send_message(
        QueueUrl=stack["PostsQueueUrl"],
        MessageBody=f"no JSON: {TEXT}",
        MessageAttributes={"trace_id": {"DataType": "String", "StringValue": "id-of-what-is-no-post"}},
    )
    with MisbehavingServer(stream(LINE, silence)) as x, MisbehavingServer(SCORES) as endpoint:
        elsewhere = {"stream-getter": x.url, "classifier": endpoint.url, "notifier": ""}
        variables = {
            service: variables_for(service, proxy.url, config, elsewhere[service])
            | service_environment(stack)
            | {"AWS_ENDPOINT_URL_SNS": proxy.url, "LOG_LEVEL": "DEBUG"}
            for service in SERVICES
        }
        processes = {service: run(service, variables[service]) for service in SERVICES}

        def delivered() -> bool:
            response = asked(variables["notifier"], "/metrics")
            counts = response.text if response is not None else ""
            return all(
                f'notifier_deliveries_total{{channel="{channel}",outcome="delivered"}} 1.0' in counts
                for channel in ("terminal", "desk")
            )

        wait_until(delivered, "the post to reach both channels", SECONDS)
        wait_until(
            lambda: proxy.sent_to(stack["PostsDeadLetterQueueUrl"]), "what is no post in the dead letters", SECONDS
        )
        logs = {service: log_after_sigterm(process) for service, process in processes.items()}

    (post,) = proxy.sent_to(stack["PostsQueueUrl"])
    (alert,) = proxy.sent_to(stack["AlertsQueueUrl"])
    deliveries = proxy.sent_to(stack["DeliveriesQueueUrl"])
    trace_id = json.loads(post["MessageBody"])["trace_id"]
    assert [the_trace_id(message) for message in (post, alert, *deliveries)] == [trace_id] * 4
    assert events_of(logs["stream-getter"], trace_id) == ["post sent"]
    assert events_of(logs["classifier"], trace_id) == ["alert"]
    assert sorted(events_of(logs["notifier"], trace_id)) == ["delivered", "delivered", "to be told"]

    (dead_letter,) = proxy.sent_to(stack["PostsDeadLetterQueueUrl"])
    assert the_trace_id(dead_letter) == "id-of-what-is-no-post"
    assert events_of(logs["classifier"], "id-of-what-is-no-post") == ["dead letter"]

    assert TEXT not in str(logs)
