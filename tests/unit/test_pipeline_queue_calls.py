"""The calls of a reader: what is asked of SQS, and what its answers and failures mean."""

import random
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from mypy_boto3_sqs import SQSClient

from pipeline.queue_calls import POLL_SECONDS, CallFailed, EntryFailure, QueueCalls
from pipeline.received_message import received
from tests.support.strict_sqs import LongPolls, StrictSqs, VirtualClock
from tests.support.strict_sqs.faults import EntryFails, LosesAnswer, NeverArrives, Refuses

DELETE = "DeleteMessageBatch"
EXPIRED_AGAIN = "Credentials were refreshed, but the refreshed credentials are still expired."


@pytest.fixture
def sqs() -> StrictSqs:
    return StrictSqs(VirtualClock(), random.Random(1), long_polls=LongPolls.RETURN)


@pytest.fixture
def calls(sqs: StrictSqs) -> QueueCalls:
    return QueueCalls(sqs.client, sqs.make_queue("posts"), 60)


def send(sqs: StrictSqs, *bodies: str, **options: Any) -> None:
    url = sqs.client.get_queue_url(QueueName="posts")["QueueUrl"]
    for body in bodies:
        sqs.client.send_message(QueueUrl=url, MessageBody=body, **options)


def test_a_receive_polls_for_no_longer_than_a_drain_can_wait(sqs: StrictSqs, calls: QueueCalls) -> None:
    assert calls.receive(7) == []
    (request,) = sqs.calls.requests("ReceiveMessage")
    assert (request["WaitTimeSeconds"], request["VisibilityTimeout"], request["MaxNumberOfMessages"]) == (5, 60, 7)
    assert POLL_SECONDS == 5


def test_a_message_comes_with_its_count_its_time_and_its_attributes(sqs: StrictSqs, calls: QueueCalls) -> None:
    text = {"DataType": "String", "StringValue": "t-1"}
    send(sqs, "a", MessageAttributes={"trace_id": text, "picture": {"DataType": "Binary", "BinaryValue": b"\x00"}})
    (message,) = calls.receive(10)
    assert (message.body, message.receive_count, message.attributes) == ("a", 1, {"trace_id": "t-1"})
    assert message.sent_at == sqs.clock()
    assert message.id
    assert message.receipt_handle


def test_a_server_that_leaves_the_system_attributes_out_is_understood() -> None:
    message = received({"MessageId": "id", "Body": "a", "ReceiptHandle": "receipt"})
    assert (message.receive_count, message.sent_at, message.attributes) == (1, 0.0, {})


def test_what_is_hidden_and_deleted_is(sqs: StrictSqs, calls: QueueCalls) -> None:
    send(sqs, "a", "b")
    first, second = calls.receive(10)
    assert calls.hide([(first.receipt_handle, 0), (second.receipt_handle, 600)]) == []
    assert sqs.visible("posts") == ["a"]
    assert calls.delete([second.receipt_handle]) == []
    assert sqs.bodies("posts") == ["a"]


@pytest.mark.parametrize(
    ("code", "sender_fault", "refused"),
    [
        ("ReceiptHandleIsInvalid", True, True),
        ("MessageNotInflight", True, True),
        ("InternalError", False, False),
        ("RequestThrottled", True, False),
        ("KMS.ThrottlingException", True, False),
    ],
)
def test_an_entrys_failure_says_whether_its_receipt_is_worth_another_try(
    sqs: StrictSqs, calls: QueueCalls, code: str, sender_fault: bool, refused: bool
) -> None:
    send(sqs, "a", "b")
    messages = calls.receive(10)
    for operation in (DELETE, "ChangeMessageVisibilityBatch"):
        sqs.faults.on_entries(operation, EntryFails(code, sender_fault), skip=1)
    expected = [(1, refused)]
    assert [(f.place, f.refused) for f in calls.hide([(m.receipt_handle, 60) for m in messages])] == expected
    failures = calls.delete([m.receipt_handle for m in messages])
    assert [(f.place, f.refused) for f in failures] == expected
    assert failures[0].reason


class _Answering:
    """A client whose every answer is the same."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer

    def delete_message_batch(self, **_request: Any) -> dict[str, Any]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def answering(answer: dict[str, Any] | Exception) -> QueueCalls:
    return QueueCalls(cast(SQSClient, _Answering(answer)), "http://sqs.test/posts", 60)


def test_an_entry_of_which_the_answer_says_nothing_has_failed() -> None:
    answer = {"Successful": [{"Id": "1"}], "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    assert answering(answer).delete(["a", "b", "c"]) == [
        EntryFailure(0, False, "InternalError"),
        EntryFailure(2, False, "no word about an entry"),
    ]


@pytest.mark.parametrize(
    "fault",
    [NeverArrives(), LosesAnswer(), LosesAnswer(by_silence=True), Refuses("ServiceUnavailable", status=503)],
    ids=str,
)
def test_a_call_without_a_good_answer_has_failed(sqs: StrictSqs, calls: QueueCalls, fault: Refuses) -> None:
    for operation, call in (
        ("ReceiveMessage", lambda: calls.receive(10)),
        (DELETE, lambda: calls.delete(["receipt"])),
        ("ChangeMessageVisibilityBatch", lambda: calls.hide([("receipt", 1)])),
    ):
        sqs.faults.on(operation, fault)
        with pytest.raises(CallFailed) as failure:
            call()
        assert str(failure.value)
        assert not failure.value.refused


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (EndpointConnectionError(endpoint_url="http://sqs.test"), False),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Delete"), False),
        (ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "no"}}, "Delete"), True),
        (RuntimeError(EXPIRED_AGAIN), False),
    ],
)
def test_a_failed_call_says_whether_its_content_was_refused(error: Exception, refused: bool) -> None:
    with pytest.raises(CallFailed) as failure:
        answering(error).delete(["receipt"])
    assert failure.value.refused is refused
    assert failure.value.__cause__ is error


def test_botocore_still_has_that_word_for_credentials_that_expired_again() -> None:
    """It is a RuntimeError like any other, and must be told from a bug by its text."""
    from botocore.credentials import RefreshableCredentials

    credentials = RefreshableCredentials.create_from_metadata(
        {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": "2000-01-01T00:00:00Z"},
        lambda: {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": "2000-01-01T00:00:00Z"},
        "test",
    )
    with pytest.raises(RuntimeError, match=EXPIRED_AGAIN):
        credentials.get_frozen_credentials()


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), KeyError("a bug"), TypeError("a bug")])
def test_a_bug_is_not_taken_for_a_call_that_failed(bug: Exception) -> None:
    with pytest.raises(type(bug)):
        answering(bug).delete(["receipt"])
