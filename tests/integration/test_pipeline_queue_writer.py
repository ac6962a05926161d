"""The writer against an emulator of SQS: calls that it needs, what boto3 refuses, answers that are lost."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from prometheus_client import CollectorRegistry

from demo.stack import REGION
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter

SOON = 30.0


@pytest.fixture
def sqs(stack: dict[str, str]) -> Iterator[Any]:
    client = aws_client("sqs", REGION)
    yield client
    client.close()


@pytest.fixture
def url(stack: dict[str, str]) -> str:
    return stack["PostsQueueUrl"]


def make_writer(sqs: Any, url: str, **options: Any) -> QueueWriter:
    metrics = QueueMetrics(CollectorRegistry())
    return QueueWriter(sqs, url, "posts", metrics, Backoff(0.05, 0.1, random.Random(1)), **options)


def all_in(sqs: Any, url: str) -> list[str]:
    """The bodies of all that lies in the queue, which it lies in no more."""
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
            ],
        )
    return bodies


def test_a_busy_writer_needs_a_tenth_of_a_call_for_a_message(sqs: Any, url: str) -> None:
    calls: Counter[str] = Counter()
    sqs.meta.events.register("before-call.sqs.*", lambda model, **_: calls.update([model.name]))
    writer = make_writer(sqs, url, senders=4, max_buffered_bytes=50_000)
    for number in range(600):
        writer.put(f"{number} {'x' * 300}", {"trace_id": str(number)})
    assert writer.flush(SOON)
    assert calls["SendMessageBatch"] / 600 <= 0.11
    assert writer.close(SOON)
    assert Counter(int(body.split()[0]) for body in all_in(sqs, url)) == Counter(range(600))


def test_a_message_that_boto3_refuses_holds_up_no_other(sqs: Any, url: str) -> None:
    writer = make_writer(sqs, url)
    mistaken: Any = "soon"
    good, bad, other = writer.put("a"), writer.put("b", delay_seconds=mistaken), writer.put("c")
    with pytest.raises(Unsendable, match="DelaySeconds"):
        bad.result(SOON)
    good.result(SOON)
    other.result(SOON)
    assert writer.close(SOON)
    assert sorted(all_in(sqs, url)) == ["a", "c"]


def test_an_empty_message_is_unsendable(sqs: Any, url: str) -> None:
    writer = make_writer(sqs, url)
    empty, other = writer.put(""), writer.put("c")
    with pytest.raises(Unsendable):
        empty.result(SOON)
    other.result(SOON)
    assert writer.close(SOON)


def test_an_answer_that_is_lost_costs_a_repeat_and_no_message(sqs: Any, url: str) -> None:
    losses = [ReadTimeoutError(endpoint_url=url), ReadTimeoutError(endpoint_url=url)]

    def lose(**_: Any) -> None:
        if losses:
            raise losses.pop()

    sqs.meta.events.register("after-call.sqs.SendMessageBatch", lose)
    writer = make_writer(sqs, url, linger_seconds=SOON)
    acceptances = [writer.put(str(number)) for number in range(10)]
    assert writer.flush(SOON)
    assert [acceptance.exception(0) for acceptance in acceptances] == [None] * 10
    assert writer.close(SOON)
    assert Counter(all_in(sqs, url)) == {str(number): 3 for number in range(10)}
