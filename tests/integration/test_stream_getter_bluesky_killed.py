"""The service with SOURCE=bluesky as a real process: killed, started again, and nothing is missing."""

import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from demo.stack import service_environment
from pipeline.contracts import decode_post
from tests.support.emulator import Emulator
from tests.support.jetstream_messages import post
from tests.support.jetstream_server import JetstreamServer
from tests.support.polling import wait_until
from tests.support.service_process import SECONDS, Run, free_port, log_after_sigterm, running_services

CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
rules: [{value: flood, tag: water}]
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


class Publisher:
    """Publishes posts as they are written, every second of them about a flood."""

    def __init__(self, server: JetstreamServer) -> None:
        self._server = server
        self._number = 0
        self.wanted: set[str] = set()

    def publish(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            word = "flood" if self._number % 2 else "sunshine"
            text = f"{word} {self._number}"
            self._server.publish(post(self._number, time.time_ns() // 1000, text))
            if word == "flood":
                self.wanted.add(text)


class Queue:
    """What lies in the posts queue, taken from it."""

    def __init__(self, url: str) -> None:
        self._sqs = boto3.client("sqs", region_name="us-east-1")
        self._url = url
        self.texts: set[str] = set()

    def holds(self, wanted: set[str]) -> bool:
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            got = decode_post(message["Body"])
            assert [rule.tag for rule in got.rules] == ["water"]
            self.texts.add(got.text)
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        assert self.texts <= wanted
        return self.texts == wanted


def test_a_killed_service_goes_on_where_it_was(
    stack: dict[str, str], emulator: Emulator, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(CONFIG)
    queue = Queue(stack["PostsQueueUrl"])
    with JetstreamServer() as server:
        publisher = Publisher(server)
        variables = {
            **emulator.environment,
            **service_environment(stack),
            "SOURCE": "bluesky",
            "STATE": str(tmp_path / "state"),
            "ALERTS_CONFIG": str(tmp_path / "alerts.yaml"),
            "BLUESKY_URLS": server.url,
            "BLUESKY_SAVE_SECONDS": "0.1",
            "NO_PROXY": "127.0.0.1",
            "TELEMETRY_PORT": str(free_port()),
        }
        killed = run("stream-getter", variables)
        wait_until(lambda: server.queries, "the first connection", SECONDS)
        publisher.publish(20)
        wait_until(lambda: queue.holds(publisher.wanted), "posts before the kill", SECONDS)
        publisher.publish(20)
        killed.kill()
        killed.communicate()
        publisher.publish(20)
        again = run("stream-getter", variables)
        wait_until(lambda: len(server.queries) == 2, "the second connection", SECONDS)
        publisher.publish(20)
        wait_until(lambda: queue.holds(publisher.wanted), "posts around the kill and after it", SECONDS)
        log = log_after_sigterm(again)
    assert not [line for line in log if line["level"] in ("error", "critical")]
    assert not any("flood" in str(line) for line in log)
