"""Writer and reader against an emulator of SQS, through the client that the services use."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from demo.road import free_ports
from demo.stack import REGION, create_stack
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter
from pipeline.sqs_rules import BATCH_BYTES
from tests.support.emulator import Emulator, running_emulator
from tests.support.polling import wait_until

SOON = 30.0
StartWriter = Callable[..., QueueWriter]
StartReader = Callable[..., QueueReader]


@pytest.fixture
def sqs(stack: dict[str, str]) -> Iterator[Any]:
    client = aws_client("sqs", REGION)
    yield client
    client.close()


@pytest.fixture
def url(stack: dict[str, str]) -> str:
    return stack["PostsQueueUrl"]


@pytest.fixture
def dead_letters_url(stack: dict[str, str]) -> str:
    return stack["PostsDeadLetterQueueUrl"]


@pytest.fixture
def writer(sqs: Any, url: str) -> Iterator[QueueWriter]:
    writer = make_writer(sqs, url)
    yield writer
    writer.close(SOON)


@pytest.fixture
def start_reader(sqs: Any, url: str, dead_letters_url: str) -> Iterator[StartReader]:
    started: list[QueueReader] = []

    def start(visibility_timeout: int = 60) -> QueueReader:
        reader = QueueReader(
            sqs,
            url,
            dead_letters_url,
            "posts",
            "classifier",
            QueueMetrics(CollectorRegistry()),
            quick_backoff(),
            threading.Event(),
            visibility_timeout=visibility_timeout,
        )
        started.append(reader)
        return reader

    yield start
    for reader in started:
        reader.close(1.0)  # without waiting for its long poll


def quick_backoff() -> Backoff:
    return Backoff(0.05, 0.1, random.Random(1))


def make_writer(sqs: Any, url: str) -> QueueWriter:
    return QueueWriter(sqs, url, "posts", QueueMetrics(CollectorRegistry()), quick_backoff())


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    """Messages that are visible, in flight, and delayed."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("", "NotVisible", "Delayed")
    visible, in_flight, delayed = (int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)
    return visible, in_flight, delayed


def receive_all(reader: QueueReader, count: int) -> list[ReceivedMessage]:
    received: list[ReceivedMessage] = []
    while len(received) < count:
        batch = reader.receive()
        assert batch, f"expected {count} messages, got {len(received)}"
        received += batch
    return received


def test_what_is_put_is_received_and_once_deleted_gone(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    bodies = [f"{number} Überschwemmung \U0001f30a" for number in range(25)]
    futures = [writer.put(body, {"trace_id": body}) for body in bodies]
    for future in futures:
        future.result(SOON)
    reader = start_reader()
    messages = receive_all(reader, len(bodies))
    assert sorted(message.body for message in messages) == sorted(bodies)
    assert all(message.attributes == {"trace_id": message.body} for message in messages)
    assert {message.receive_count for message in messages} == {1}
    assert counts(sqs, url) == (0, 25, 0)
    reader.delete(messages)
    wait_until(lambda: counts(sqs, url) == (0, 0, 0), "the messages to be deleted", SOON)


def test_both_ends_are_ready_once_they_reached_their_queue(writer: QueueWriter, start_reader: StartReader) -> None:
    wait_until(lambda: writer.state.trouble() is None, "the writer to reach its queue", SOON)
    writer.put("a").result(SOON)
    reader = start_reader()
    reader.receive()
    assert reader.state.trouble() is None


def test_a_batch_with_messages_of_the_largest_size_passes(writer: QueueWriter, start_reader: StartReader) -> None:
    bodies = ["a" * BATCH_BYTES, "b" * (BATCH_BYTES // 2), "c" * (BATCH_BYTES // 2), "d"]
    for future in [writer.put(body) for body in bodies]:
        future.result(SOON)
    assert sorted(message.body for message in receive_all(start_reader(), 4)) == bodies


def test_a_message_that_the_queue_refuses_holds_up_no_other(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    futures = [writer.put("a"), writer.put("refused \uffff"), writer.put("c")]
    with pytest.raises(Unsendable):
        futures[1].result(SOON)
    futures[0].result(SOON)
    futures[2].result(SOON)
    assert sorted(message.body for message in receive_all(start_reader(), 2)) == ["a", "c"]


def test_a_delayed_message_is_not_received_before_its_time(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("later", delay_seconds=900).result(SOON)
    writer.put("now").result(SOON)
    assert [message.body for message in start_reader().receive()] == ["now"]
    assert counts(sqs, url) == (0, 1, 1)


def test_a_message_given_back_comes_again_at_once_with_a_higher_count(
    writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("a").result(SOON)
    reader = start_reader()
    reader.give_back(reader.receive())
    (message,) = reader.receive()
    assert (message.body, message.receive_count) == ("a", 2)


def test_a_message_given_back_with_a_delay_stays_invisible(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    for future in (writer.put("a"), writer.put("b")):
        future.result(SOON)
    reader = start_reader(visibility_timeout=2)
    first, second = receive_all(reader, 2)
    reader.give_back([first], delay_seconds=600)
    reader.give_back([second], delay_seconds=1)
    assert [message.body for message in reader.receive()] == [second.body]
    assert counts(sqs, url) == (0, 2, 0)


def test_a_heartbeat_keeps_a_message_from_others_beyond_its_timeout(
    writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("a").result(SOON)
    reader, other = start_reader(visibility_timeout=2), start_reader()
    held = reader.receive()
    assert other.receive() == []  # a long poll of 5 s, more than twice the timeout
    reader.delete(held)


def test_a_message_of_a_reader_that_died_comes_again_after_its_timeout(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("a").result(SOON)
    # as a killed process: it has received, and neither beats nor gives back
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=2)["Messages"]
    assert [message.receive_count for message in start_reader().receive(timeout=SOON)] == [2]


def test_an_expired_receipt_is_dropped_and_the_message_stays_with_its_new_holder(
    sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("a").result(SOON)
    late, prompt = start_reader(), start_reader()
    expired = late.receive()
    late.receiving.end()
    wait_until(lambda: "posts-receiver" not in {thread.name for thread in threading.enumerate()}, "its long poll", SOON)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=expired[0].receipt_handle, VisibilityTimeout=0)
    held = prompt.receive()
    assert len(held) == 1
    late.give_back(expired)
    late.close()
    assert counts(sqs, url) == (0, 1, 0)
    prompt.delete(held)
    wait_until(lambda: counts(sqs, url) == (0, 0, 0), "the message to be deleted", SOON)


def test_close_gives_back_what_is_held(sqs: Any, url: str, writer: QueueWriter, start_reader: StartReader) -> None:
    for future in [writer.put(str(number)) for number in range(12)]:
        future.result(SOON)
    reader = start_reader()
    receive_all(reader, 12)
    assert counts(sqs, url) == (0, 12, 0)
    reader.close()
    assert counts(sqs, url) == (12, 0, 0)


def test_a_dead_letter_lies_in_its_queue_with_its_reason_and_in_no_other(
    sqs: Any, url: str, dead_letters_url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("not JSON", {"trace_id": "t-1"}).result(SOON)
    reader = start_reader()
    (message,) = reader.receive()
    reader.dead_letter(message, "expected JSON\x1b")
    wait_until(lambda: counts(sqs, url) == (0, 0, 0), "the message to be deleted", SOON)
    (letter,) = sqs.receive_message(QueueUrl=dead_letters_url, MessageAttributeNames=["All"])["Messages"]
    assert letter["Body"] == "not JSON"
    assert {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()} == {
        "trace_id": "t-1",
        "reason": "expected JSON\ufffd",
        "service": "classifier",
        "source_message_id": message.id,
    }


def test_a_message_stays_when_its_dead_letter_queue_is_not_there(
    sqs: Any, url: str, dead_letters_url: str, writer: QueueWriter, start_reader: StartReader
) -> None:
    writer.put("a").result(SOON)
    sqs.delete_queue(QueueUrl=dead_letters_url)
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], "reason")
    assert counts(sqs, url) == (0, 1, 0)


def test_a_writer_that_is_there_before_its_queue_loses_and_doubles_nothing(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    for name, value in Emulator(f"http://127.0.0.1:{port}").environment.items():
        monkeypatch.setenv(name, value)
    sqs = aws_client("sqs", REGION)
    url = f"http://127.0.0.1:{port}/000000000000/tweet-alerts-local-posts"
    writer = make_writer(sqs, url)
    futures = [writer.put(str(number)) for number in range(35)]
    wait_until(lambda: "Could not connect" in (writer.state.trouble() or ""), "the outage to be seen", SOON)
    with running_emulator(tmp_path / "log.txt", port) as late:
        wait_until(lambda: "does not exist" in (writer.state.trouble() or ""), "the missing queue to be seen", SOON)
        assert create_stack(late.url)["PostsQueueUrl"] == url
        for future in futures:
            future.result(SOON)
        assert writer.state.trouble() is None
        assert counts(sqs, url) == (35, 0, 0)
        writer.close(SOON)
    sqs.close()


def test_the_services_client_neither_retries_nor_waits_long(stack: dict[str, str]) -> None:
    client = aws_client("sqs", REGION, read_timeout=20.0, connections=3)
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5.0, 20.0, 3)
    client.close()
