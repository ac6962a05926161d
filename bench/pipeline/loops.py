"""What is compared: the same messages moved by a bare loop of boto3, and by pipeline's reader and writer.

Each loop returns when the queue has accepted everything it was asked, deletions included, and leaves nothing behind;
whoever called it checks that. Reader, writer and their threads are made anew each time, so that this is counted too.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from pipeline.acceptance import all_settled, settle
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter
from pipeline.trace import trace_attributes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: 500 bytes, about a post; with a trace id as its attribute, as every message of the product has one.
BODY = "A wildfire is burning near Bellbrook. ".ljust(500, "x")
TRACE_ID = "bluesky:at://did:plc:bench/3kq"
_POLL_SECONDS = 5
_BATCH = 10
_ATTRIBUTES = {"trace_id": {"DataType": "String", "StringValue": TRACE_ID}}


@dataclass(frozen=True)
class Errand:
    """``messages`` lie in ``source`` and are to be deleted there, or to get into ``target``, or both."""

    source: str
    target: str
    messages: int


#: Does the errand; what is to be closed when the clock has been stopped is left on the stack.
Loop = Callable[["SQSClient", Errand, ExitStack], None]


class BatchFailed(Exception):
    """An entry has failed, which no server of a benchmark should let happen."""


def bare_receive(sqs: "SQSClient", errand: Errand, _after: ExitStack) -> None:
    """Receive ten, delete ten."""
    received = 0
    while received < errand.messages:
        messages = _bare_poll(sqs, errand.source)
        _bare_delete(sqs, errand.source, messages)
        received += len(messages)


def bare_send(sqs: "SQSClient", errand: Errand, _after: ExitStack) -> None:
    """Send ten."""
    for start in range(0, errand.messages, _BATCH):
        _bare_send(sqs, errand.target, [BODY] * min(_BATCH, errand.messages - start))


def bare_hop(sqs: "SQSClient", errand: Errand, _after: ExitStack) -> None:
    """Receive ten, send ten, delete ten: a message is deleted once what it led to was accepted."""
    received = 0
    while received < errand.messages:
        messages = _bare_poll(sqs, errand.source)
        _bare_send(sqs, errand.target, [message["Body"] for message in messages])
        _bare_delete(sqs, errand.source, messages)
        received += len(messages)


def receive(sqs: "SQSClient", errand: Errand, after: ExitStack) -> None:
    """As a worker does: deletes what it was given, all at once."""
    _receive(sqs, errand, after, QueueReader.delete)


def receive_deleting_singly(sqs: "SQSClient", errand: Errand, after: ExitStack) -> None:
    """As a worker whose messages are done one after the other."""

    def delete(reader: QueueReader, messages: Sequence[ReceivedMessage]) -> None:
        for message in messages:
            reader.delete([message])

    _receive(sqs, errand, after, delete)


def send(sqs: "SQSClient", errand: Errand, after: ExitStack) -> None:
    """Puts everything, then waits until all was accepted."""
    writer = make_writer(sqs, errand.target, QueueMetrics(CollectorRegistry()))
    after.callback(writer.close, 5.0)
    attributes = trace_attributes(TRACE_ID)
    accepted = [writer.put(BODY, attributes) for _ in range(errand.messages)]
    all_settled(accepted, 60.0)
    for acceptance in accepted:
        acceptance.result(0.0)


def hop(sqs: "SQSClient", errand: Errand, after: ExitStack) -> None:
    """As a service's worker: each message leads to another, and is settled by what became of that."""
    metrics = QueueMetrics(CollectorRegistry())
    stopping = threading.Event()
    writer = make_writer(sqs, errand.target, metrics)
    after.callback(writer.close, 5.0)
    reader = make_reader(sqs, errand.source, metrics, stopping)
    after.callback(reader.close)
    pass_on(reader, writer, stopping, lambda passed: passed < errand.messages)
    _wait_for_deletions(reader)
    stopping.set()


def pass_on(
    reader: QueueReader, writer: QueueWriter, stopping: threading.Event, goes_on: Callable[[int], bool]
) -> None:
    """One message led to by each that is received, as long as ``goes_on`` says so of the number passed on so far."""
    passed = 0
    while goes_on(passed):
        messages = reader.receive()
        led_to = [(message, [writer.put(message.body, message.attributes)]) for message in messages]
        settle(reader, led_to, "message", stopping)
        passed += len(messages)


def make_reader(sqs: "SQSClient", url: str, metrics: QueueMetrics, stopping: threading.Event) -> QueueReader:
    """With the figures that services use. Nothing is dead-lettered here, and the queue for that is not there."""
    backoff = Backoff(0.1, 10.0, random.Random())
    return QueueReader(sqs, url, f"{url}-dlq", "source", "bench", metrics, backoff, stopping)


def make_writer(sqs: "SQSClient", url: str, metrics: QueueMetrics) -> QueueWriter:
    """With the figures that services use."""
    return QueueWriter(sqs, url, "target", metrics, Backoff(0.1, 10.0, random.Random()))


@dataclass(frozen=True)
class Part:
    """One errand and its two ways. ``receives`` and ``sends`` say which queues are touched."""

    name: str
    bare: Loop
    pipeline: Loop
    receives: bool
    sends: bool


PARTS = (
    Part("receive, delete", bare_receive, receive, receives=True, sends=False),
    Part("receive, delete singly", bare_receive, receive_deleting_singly, receives=True, sends=False),
    Part("send", bare_send, send, receives=False, sends=True),
    Part("receive, send, delete", bare_hop, hop, receives=True, sends=True),
)


def _receive(
    sqs: "SQSClient",
    errand: Errand,
    after: ExitStack,
    delete: Callable[[QueueReader, Sequence[ReceivedMessage]], None],
) -> None:
    stopping = threading.Event()
    reader = make_reader(sqs, errand.source, QueueMetrics(CollectorRegistry()), stopping)
    after.callback(reader.close)
    received = 0
    while received < errand.messages:
        messages = reader.receive()
        delete(reader, messages)
        received += len(messages)
    _wait_for_deletions(reader)
    stopping.set()


def _wait_for_deletions(reader: QueueReader) -> None:
    while reader.deletions.waiting:
        time.sleep(0.001)


def _bare_poll(sqs: "SQSClient", url: str) -> Sequence[Mapping[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_POLL_SECONDS)
    return answer.get("Messages", [])


def _bare_send(sqs: "SQSClient", url: str, bodies: Sequence[str]) -> None:
    if bodies:
        _check(
            sqs.send_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(index), "MessageBody": body, "MessageAttributes": _ATTRIBUTES}  # type: ignore[typeddict-item]
                    for index, body in enumerate(bodies)
                ],
            )
        )


def _bare_delete(sqs: "SQSClient", url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    if messages:
        _check(
            sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(messages)
                ],
            )
        )


def _check(answer: Mapping[str, Any]) -> None:
    if failed := answer.get("Failed"):
        raise BatchFailed(f"expected no entry to fail, got: {failed}")
