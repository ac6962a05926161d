"""A thread that hangs is told from one that waits, and nothing that waits holds up the end of a service."""

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

import pipeline.watchdog
from classifier.endpoint import READ_TIMEOUT
from demo.stack import service_environment
from pipeline.contracts import encode
from pipeline.lifecycle import GRACE_SECONDS, Lifecycle
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import Watchdog
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival
from tests.support.emulator import Emulator
from tests.support.examples import a_post
from tests.support.fake_queue_ends import FakeWriter
from tests.support.misbehaving_server import MisbehavingServer, respond, silence
from tests.support.polling import wait_until
from tests.support.recording_log import record_log
from tests.support.service_process import SECONDS, Run, Variables, asked, running_services, variables_for

CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""
SCORES = respond("200 OK", b'[{"sequence": "", "labels": ["flood"], "scores": [0.9]}]')


class HangingSource:
    """Gives one post, and then hangs as a library may that waits for a socket without a time-out."""

    silence_seconds = 0.0

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.released = threading.Event()

    def arrivals(self) -> Iterator[Arrival]:
        yield Arrival(a_post())
        self.in_a_call_without_a_time_out()

    def in_a_call_without_a_time_out(self) -> None:
        self.hangs.set()
        self.released.wait(60)

    def stop(self) -> None:
        self.released.set()

    def trouble(self) -> str | None:
        return None

    def close(self, seconds: float) -> None:
        pass


def test_a_thread_that_hangs_is_reported_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, pipeline.watchdog)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    later = [0.0]
    registry = CollectorRegistry()
    lifecycle = Lifecycle(watchdog=Watchdog(registry, lambda: time.monotonic() + later[0]))
    server = TelemetryServer("127.0.0.1", 0, registry, {}, lifecycle.watchdog.stuck)
    source, writer = HangingSource(), FakeWriter()
    forwarder = Forwarder(source, writer, RecentIds(10), Metrics(registry), OccasionalLog())
    answers: dict[str, tuple[int, str]] = {}

    def ask(path: str) -> tuple[int, str]:
        response = requests.get(f"http://127.0.0.1:{server.port}{path}", timeout=10, proxies={"http": ""})
        return response.status_code, response.text

    def watch_from_outside() -> None:
        assert source.hangs.wait(10)
        answers["started"] = ask("/startupz")
        later[0] = 134.0
        answers.update({path: ask(path) for path in ("/healthz", "/readyz", "/startupz", "/metrics")})
        source.stop()

    try:
        # this thread shows no sign of life either, but nobody has it watched
        outside = threading.Thread(target=watch_from_outside, daemon=True)
        outside.start()
        assert lifecycle.run({"forwarder": forwarder.run}) == 0
        outside.join(10)
        answers["after it went on"] = ask("/healthz")
    finally:
        server.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert answers["started"] == (200, "started\n")
    for path in ("/healthz", "/readyz", "/startupz"):
        status, text = answers[path]
        assert status == 503
        assert re.fullmatch(r"forwarder: no sign of life for 13\d s \(limit 120 s\)\n", text), text
    assert re.search(r'^loop_seconds_since_beat\{loop="forwarder"\} 13\d\.', answers["/metrics"][1], re.MULTILINE)
    (line,) = [line for line in logged.lines if line[1] == "stuck"]
    assert "in in_a_call_without_a_time_out" in str(line[2]["stack"])
    assert answers["after it went on"] == (200, "ok\n")
    assert len(writer.bodies) == 1


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


def silence_of(variables: Variables, loop: str) -> float:
    """Seconds since a loop's last sign of life, as the service tells."""
    response = asked(variables, "/metrics")
    assert response is not None
    found = re.search(rf'^loop_seconds_since_beat\{{loop="{loop}"\}} (\S+)$', response.text, re.MULTILINE)
    assert found
    return float(found[1])


def test_an_endpoint_that_hangs_makes_no_thread_a_stuck_one_and_holds_up_no_end(
    run: Run, emulator: Emulator, stack: dict[str, str], tmp_path: Path
) -> None:
    """Two services at once, for each takes the 20 s of the endpoint's time-out."""
    (tmp_path / "alerts.yaml").write_text(CONFIG)
    sqs = emulator.client("sqs")
    with MisbehavingServer(silence) as always_silent, MisbehavingServer(SCORES, silence) as later_silent:
        common = emulator.environment | service_environment(stack) | {"WORKERS": "1"}
        waiting = variables_for("classifier", emulator.url, "alerts.yaml", always_silent.url)
        waiting |= common | {"POSTS_QUEUE_URL": f"{stack['PostsQueueUrl']}-of-another"}
        ending = variables_for("classifier", emulator.url, "alerts.yaml", later_silent.url) | common
        run("classifier", waiting)
        process = run("classifier", ending)
        sqs.send_message(QueueUrl=stack["PostsQueueUrl"], MessageBody=encode(a_post("x:in-hand")))
        # the harmless text is judged; now the post is in hand, and the endpoint would take a minute for it
        later_silent.wait_for_requests(2)
        process.send_signal(signal.SIGTERM)
        always_silent.wait_for_requests(1)

        _, stderr = process.communicate(timeout=GRACE_SECONDS)
        assert process.returncode == 0, stderr
        wait_until(lambda: in_queue(sqs, stack["PostsQueueUrl"]) == 1, "the post to be given back", SECONDS)

        # the other one has given the first call up by now, and asks again
        wait_until(lambda: len(always_silent.requests) >= 2, "a second call", READ_TIMEOUT + SECONDS)
        wait_until(lambda: silence_of(waiting, "prober of minilm") < READ_TIMEOUT / 2, "a sign of life", SECONDS)
        response = asked(waiting, "/healthz")
        assert response is not None
        assert (response.status_code, response.text) == (200, "ok\n")


def in_queue(sqs: object, url: str) -> int:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])  # type: ignore[attr-defined]
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
