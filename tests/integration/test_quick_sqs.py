"""The benchmarks' server, asked by boto3's client as a reader and a writer ask it."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from bench.child_process import ChildFailed, ChildProcess
from bench.quick_sqs import QuickSqs
from demo.stack import client
from pipeline.sqs_rules import string_attributes
from tests.support.polling import wait_until

SOON = 30.0
#: Seconds.
LATENCY = 0.3
ATTRIBUTES = string_attributes({"trace_id": "x:1"})


@pytest.fixture(scope="module")
def server() -> Iterator[QuickSqs]:
    with QuickSqs((0.0, LATENCY)) as server:
        yield server


@pytest.fixture
def sqs(server: QuickSqs) -> Iterator[Any]:
    sqs = client("sqs", server.urls[0])
    yield sqs
    sqs.close()


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def url(sqs: Any, numbers: Iterator[int]) -> str:
    created: str = sqs.create_queue(QueueName=f"queue-{next(numbers)}")["QueueUrl"]
    return created


def send(sqs: Any, url: str, *bodies: str) -> list[str]:
    """The ids of the messages."""
    entries = [
        {"Id": f"e{number}", "MessageBody": body, "MessageAttributes": ATTRIBUTES} for number, body in enumerate(bodies)
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == [entry["Id"] for entry in entries]
    return [entry["MessageId"] for entry in answer["Successful"]]


def receive(sqs: Any, url: str, **request: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **request).get(
        "Messages", []
    )
    return messages


def delete(sqs: Any, url: str, *messages: dict[str, Any]) -> None:
    entries = [{"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]} for index, each in enumerate(messages)]
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == len(messages)


def hide(sqs: Any, url: str, message: dict[str, Any], seconds: int) -> Any:
    entry = {"Id": "e", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
    return sqs.change_message_visibility_batch(QueueUrl=url, Entries=[entry])


def counts(sqs: Any, url: str) -> tuple[int, int]:
    """Visible ones, hidden ones."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    visible, hidden = (int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible"))
    return visible, hidden


def test_what_is_sent_is_received_as_it_was_and_gone_once_deleted(sqs: Any, url: str) -> None:
    ids = send(sqs, url, "Überschwemmung \U0001f30a", "plain")
    messages = receive(
        sqs,
        url,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    )
    assert [message["MessageId"] for message in messages] == ids
    assert [message["Body"] for message in messages] == ["Überschwemmung \U0001f30a", "plain"]
    assert [message["MessageAttributes"] for message in messages] == [ATTRIBUTES, ATTRIBUTES]
    assert [message["Attributes"]["ApproximateReceiveCount"] for message in messages] == ["1", "1"]
    assert all(int(message["Attributes"]["SentTimestamp"]) > 1.7e12 for message in messages)
    assert counts(sqs, url) == (0, 2)
    delete(sqs, url, *messages)
    assert counts(sqs, url) == (0, 0)


def test_attributes_come_only_when_they_are_asked_for(sqs: Any, url: str) -> None:
    send(sqs, url, "body")
    (message,) = receive(sqs, url)
    assert message.keys() == {"MessageId", "ReceiptHandle", "Body", "MD5OfBody"}


def test_ten_messages_are_received_at_most(sqs: Any, url: str) -> None:
    send(sqs, url, *map(str, range(10)))
    send(sqs, url, "10")
    assert [message["Body"] for message in receive(sqs, url)] == [str(number) for number in range(10)]
    assert [message["Body"] for message in receive(sqs, url)] == ["10"]
    assert receive(sqs, url) == []


def test_a_message_comes_again_when_its_time_is_over_and_its_old_receipt_deletes_nothing(sqs: Any, url: str) -> None:
    send(sqs, url, "body")
    (first,) = receive(sqs, url, VisibilityTimeout=1)
    (second,) = receive(
        sqs, url, WaitTimeSeconds=5, VisibilityTimeout=60, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    assert second["MessageId"] == first["MessageId"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    delete(sqs, url, first)
    assert counts(sqs, url) == (0, 1)


def test_hiding_goes_on_from_now_and_for_no_time_shows_at_once(sqs: Any, url: str) -> None:
    send(sqs, url, "body")
    (message,) = receive(sqs, url, VisibilityTimeout=1)
    assert hide(sqs, url, message, 60)["Successful"]
    assert receive(sqs, url, WaitTimeSeconds=2) == []
    assert hide(sqs, url, message, 0)["Successful"]
    assert counts(sqs, url) == (1, 0)
    (failed,) = hide(sqs, url, message, 60)["Failed"]
    assert (failed["Code"], failed["SenderFault"]) == ("ReceiptHandleIsInvalid", True)


def test_a_poll_gets_what_is_sent_meanwhile(sqs: Any, url: str) -> None:
    got: list[dict[str, Any]] = []
    poll = threading.Thread(target=lambda: got.extend(receive(sqs, url, WaitTimeSeconds=20)))
    poll.start()
    send(sqs, url, "body")
    poll.join(SOON)
    assert [message["Body"] for message in got] == ["body"]


def test_a_poll_whose_client_has_gone_takes_no_message(server: QuickSqs, sqs: Any, url: str) -> None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=SOON)
    poll = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20})
    connection.request("POST", "/", poll, {"X-Amz-Target": "AmazonSQS.ReceiveMessage"})
    wait_for_poll(server, url)
    connection.close()
    wait_until(lambda: send(sqs, url, "body") and receive(sqs, url), "a message for those who are there", SOON)
    assert counts(sqs, url)[0] == 0


def test_a_poll_ends_with_its_queue(server: QuickSqs, sqs: Any, url: str) -> None:
    refused: list[str] = []

    def poll() -> None:
        with pytest.raises(ClientError) as error:
            receive(sqs, url, WaitTimeSeconds=20)
        refused.append(error.value.response["Error"]["Code"])

    thread = threading.Thread(target=poll)
    thread.start()
    wait_for_poll(server, url)
    sqs.delete_queue(QueueUrl=url)
    thread.join(SOON)
    assert refused == ["QueueDoesNotExist"]


def test_calls_are_counted_by_queue_and_operation(server: QuickSqs, sqs: Any, url: str) -> None:
    before = server.calls()
    send(sqs, url, "body")
    delete(sqs, url, *receive(sqs, url))
    receive(sqs, url)
    name = url.rpartition("/")[2]
    assert server.calls() - before == Counter(
        {(name, "SendMessageBatch"): 1, (name, "ReceiveMessage"): 2, (name, "DeleteMessageBatch"): 1}
    )


def test_answers_are_late_where_they_are_to_be_and_the_queues_are_the_same(server: QuickSqs, url: str) -> None:
    late = client("sqs", server.urls[1])
    began = time.monotonic()
    send(late, url, "body")
    assert time.monotonic() - began >= LATENCY
    (message,) = receive(client("sqs", server.urls[0]), url)
    assert message["Body"] == "body"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda sqs, url: sqs.receive_message(QueueUrl=url + "-other"), "QueueDoesNotExist"),
        (lambda sqs, url: sqs.delete_message_batch(QueueUrl=url, Entries=[]), "TooManyEntriesInBatchRequest"),
        (lambda sqs, url: send(sqs, url, *"12345678901"), "TooManyEntriesInBatchRequest"),
        (lambda sqs, url: sqs.purge_queue(QueueUrl=url), "UnsupportedOperation"),
    ],
)
def test_what_it_does_not_do_is_refused(sqs: Any, url: str, call: Callable[[Any, str], object], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        call(sqs, url)
    assert refused.value.response["Error"]["Code"].rpartition("#")[2] == code


def test_a_child_that_ends_by_itself_is_told_of() -> None:
    with (
        ChildProcess("a child", _end) as child,
        pytest.raises(ChildFailed, match=r"a child: .* the end of the process"),
    ):
        child.listen(SOON)


def test_a_child_that_says_nothing_is_given_up_and_killed() -> None:
    with ChildProcess("a child", _sleep) as child, pytest.raises(ChildFailed, match=r"within 0 s, got none"):
        child.listen(0.1)


def _end(_pipe: Connection) -> None:
    """Says nothing."""


def _sleep(_pipe: Connection) -> None:
    time.sleep(3600)


def wait_for_poll(server: QuickSqs, url: str) -> None:
    """Until a receive has come in."""
    wait_until(lambda: server.calls()[url.rpartition("/")[2], "ReceiveMessage"], "the poll", SOON)
