"""The reader goes on by itself after whatever its queue, its network and its credentials do, on an emulator of SQS."""

import http.server
import json
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from prometheus_client import CollectorRegistry

import pipeline.connection_state
from demo.road import free_ports
from demo.stack import REGION, create_stack
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader
from tests.support.emulator import Emulator, running_emulator
from tests.support.misbehaving_server import MisbehavingServer, silence
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log

SOON = 30.0


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state)


class Owner:
    """Receives and deletes in a thread, as a service does, and keeps what it got."""

    def __init__(self, reader: QueueReader) -> None:
        self.bodies: list[str] = []
        self._reader = reader
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, *bodies: str) -> None:
        wait_until(lambda: set(bodies) <= set(self.bodies), f"{bodies}", SOON)

    def end(self) -> None:
        self._ended.set()
        self._reader.close(1.0)
        self._thread.join(SOON)

    def _run(self) -> None:
        while not self._ended.is_set():
            messages = self._reader.receive(timeout=0.2)
            self.bodies += [message.body for message in messages]
            self._reader.delete(messages)


StartOwner = Callable[[Any, str], Owner]


@pytest.fixture
def start_owner() -> Iterator[StartOwner]:
    started: list[Owner] = []

    def start(sqs: Any, url: str) -> Owner:
        reader = QueueReader(
            sqs,
            url,
            url + "-dlq",
            "posts",
            "classifier",
            QueueMetrics(CollectorRegistry()),
            Backoff(0.05, 0.1, random.Random(1)),
            threading.Event(),
        )
        started.append(Owner(reader))
        return started[-1]

    yield start
    for owner in started:
        owner.end()


def is_empty(sqs: Any, url: str) -> bool:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return all(attributes[f"ApproximateNumberOfMessages{what}"] == "0" for what in ("", "NotVisible"))


def test_a_queue_that_vanishes_and_is_made_anew(
    emulator: Emulator, stack: Mapping[str, str], start_owner: StartOwner, log: RecordingLog
) -> None:
    admin = emulator.client("sqs")
    url = admin.create_queue(QueueName="vanishing")["QueueUrl"]
    admin.send_message(QueueUrl=url, MessageBody="before")
    owner = start_owner(aws_client("sqs", REGION), url)
    owner.wait_for("before")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    admin.delete_queue(QueueUrl=url)
    wait_until(lambda: log.events == ["cannot be reached, trying again"], "the trouble to be told", SOON)
    assert admin.create_queue(QueueName="vanishing")["QueueUrl"] == url
    admin.send_message(QueueUrl=url, MessageBody="after")
    owner.wait_for("after")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    assert log.events == ["cannot be reached, trying again", "reachable again"]


def test_a_queue_that_is_purged(
    emulator: Emulator, stack: Mapping[str, str], start_owner: StartOwner, log: RecordingLog
) -> None:
    admin, url = emulator.client("sqs"), stack["PostsQueueUrl"]
    owner = start_owner(aws_client("sqs", REGION), url)
    admin.send_message(QueueUrl=url, MessageBody="before")
    owner.wait_for("before")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    admin.purge_queue(QueueUrl=url)
    admin.send_message(QueueUrl=url, MessageBody="after")
    owner.wait_for("after")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    assert log.events == []


def test_a_server_that_goes_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start_owner: StartOwner, log: RecordingLog
) -> None:
    (port,) = free_ports(1)
    for name, value in Emulator(f"http://127.0.0.1:{port}").environment.items():
        monkeypatch.setenv(name, value)
    with running_emulator(tmp_path / "first.txt", port) as first:
        url = create_stack(first.url)["PostsQueueUrl"]
        admin = first.client("sqs")
        admin.send_message(QueueUrl=url, MessageBody="before")
        owner = start_owner(aws_client("sqs", REGION), url)
        owner.wait_for("before")
        wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    wait_until(lambda: log.events == ["cannot be reached, trying again"], "the outage to be told", SOON)
    with running_emulator(tmp_path / "second.txt", port) as second:
        assert create_stack(second.url)["PostsQueueUrl"] == url
        admin = second.client("sqs")
        admin.send_message(QueueUrl=url, MessageBody="after")
        owner.wait_for("after")
        wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
        owner.end()


def test_a_server_that_accepts_and_never_answers_holds_up_no_close(
    monkeypatch: pytest.MonkeyPatch, start_owner: StartOwner
) -> None:
    with MisbehavingServer(silence) as server:
        for name, value in Emulator(server.url).environment.items():
            monkeypatch.setenv(name, value)
        owner = start_owner(aws_client("sqs", REGION), f"{server.url}/000000000000/posts")
        server.wait_for_requests(1)
        closing = threading.Thread(target=owner.end, daemon=True)
        closing.start()
        closing.join(10.0)  # its client waits for 15 s
        assert not closing.is_alive()


# Credentials


class CredentialsServer:
    """Hands out keys that live for a second, as ECS does with keys that live for hours."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.in_trouble = False
        self.seconds = 1.0
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = authority.answer()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has that name
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/credentials"

    def answer(self) -> tuple[int, bytes]:
        if self.in_trouble:
            return 500, b"{}"
        self.issued.append(f"KEY{len(self.issued):05}")
        expires = datetime.now(UTC) + timedelta(seconds=self.seconds)
        answer = {
            "AccessKeyId": self.issued[-1],
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": expires.isoformat(),
        }
        return 200, json.dumps(answer).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class StrictKeys:
    """Stands before a client's connection and refuses, as SQS does, what is signed by a key that has expired."""

    def __init__(self, sqs: Any) -> None:
        self.used: list[str] = []
        self.refused: list[str] = []
        self.accepts = re.compile("")
        sqs.meta.events.register_first("before-send.sqs", self._before_send)

    def _before_send(self, request: Any, **_more: Any) -> AWSResponse | None:
        authorization = request.headers["Authorization"]
        found = re.search(
            "Credential=([A-Z0-9]+)/", authorization.decode() if isinstance(authorization, bytes) else authorization
        )
        assert found
        key = found.group(1)
        if self.accepts.match(key):
            self.used.append(key)
            return None
        self.refused.append(key)
        error = {"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}
        return AWSResponse(request.url, 403, HTTPHeaders(), _Body(json.dumps(error).encode()))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


@pytest.fixture
def authority(stack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[CredentialsServer]:
    authority = CredentialsServer()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", authority.url)
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0.05)
    yield authority
    authority.close()


def test_credentials_that_turn_over_are_no_event(
    emulator: Emulator,
    stack: Mapping[str, str],
    authority: CredentialsServer,
    start_owner: StartOwner,
    log: RecordingLog,
) -> None:
    admin, url = emulator.client("sqs"), stack["PostsQueueUrl"]
    sqs = aws_client("sqs", REGION)
    keys = StrictKeys(sqs)
    owner = start_owner(sqs, url)
    for number in range(4):
        admin.send_message(QueueUrl=url, MessageBody=str(number))
        owner.wait_for(str(number))
        wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    assert len(set(keys.used)) >= 4
    assert set(keys.used) <= set(authority.issued)
    assert log.events == []


@pytest.mark.parametrize("trouble", ["SQS refuses the keys", "no keys to be had", "keys that are old already"])
def test_credentials_that_fail_for_a_while_are_waited_for(
    emulator: Emulator,
    stack: Mapping[str, str],
    authority: CredentialsServer,
    start_owner: StartOwner,
    log: RecordingLog,
    trouble: str,
) -> None:
    admin, url = emulator.client("sqs"), stack["PostsQueueUrl"]
    sqs = aws_client("sqs", REGION)
    keys = StrictKeys(sqs)
    owner = start_owner(sqs, url)
    admin.send_message(QueueUrl=url, MessageBody="before")
    owner.wait_for("before")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    if trouble == "SQS refuses the keys":
        keys.accepts = re.compile("none")
    elif trouble == "no keys to be had":
        authority.in_trouble = True
    else:
        authority.seconds = -1.0
    wait_until(lambda: log.events == ["cannot be reached, trying again"], "the trouble to be told", SOON)
    admin.send_message(QueueUrl=url, MessageBody="after")
    keys.accepts = re.compile("")
    authority.in_trouble = False
    authority.seconds = 1.0
    owner.wait_for("after")
    wait_until(lambda: is_empty(admin, url), "the message to be deleted", SOON)
    assert log.events == ["cannot be reached, trying again", "reachable again"]
