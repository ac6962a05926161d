"""One request, and what its answer means for each message and for the queue."""

import random
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest
from botocore.exceptions import NoCredentialsError, ParamValidationError, ReadTimeoutError
from mypy_boto3_sqs import SQSClient

from pipeline.acceptance import Acceptance
from pipeline.backoff import Backoff
from pipeline.outgoing import Outgoing
from pipeline.sending import Answer, reach, send
from tests.support.fake_sqs import URL, FakeSqs, client_error


class Answering:
    """An SQS client that gives this answer to everything, or raises it."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self._answer = answer
        self.entries: list[Any] = []

    def send_message_batch(self, **request: Any) -> Mapping[str, Any]:
        self.entries = request["Entries"]
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def a_batch(*bodies: str, tried: str = "") -> list[Outgoing]:
    """Messages, of which those with a body in ``tried`` have failed before."""
    backoff = Backoff(1.0, 1.0, random.Random(1))
    return [
        Outgoing(body, {}, 0, len(body), Acceptance(), backoff=backoff if body in tried else None) for body in bodies
    ]


def answered(answer: Mapping[str, Any] | Exception, *bodies: str, tried: str = "") -> Answer:
    return send(cast(SQSClient, Answering(answer)), URL, a_batch(*bodies, tried=tried))


def names(messages: Iterable[Outgoing]) -> str:
    return "".join(message.body for message in messages)


def accepted(*ids: int) -> list[dict[str, Any]]:
    return [{"Id": str(id_)} for id_ in ids]


def failed(id_: int, code: str, **more: Any) -> dict[str, Any]:
    return {"Id": str(id_), "Code": code, "SenderFault": False, **more}


def test_a_message_is_sent_with_its_attributes_and_its_delay_and_nothing_that_is_not_needed() -> None:
    client = Answering({"Successful": accepted(0, 1)})
    plain, whole = a_batch("a", "b")
    whole.attributes, whole.delay_seconds = {"trace_id": "t-1"}, 7
    send(cast(SQSClient, client), URL, [plain, whole])
    assert client.entries == [
        {"Id": "0", "MessageBody": "a"},
        {
            "Id": "1",
            "MessageBody": "b",
            "MessageAttributes": {"trace_id": {"DataType": "String", "StringValue": "t-1"}},
            "DelaySeconds": 7,
        },
    ]


def test_each_entry_counts_by_itself() -> None:
    answer = answered(
        {
            "Successful": accepted(2, 0),
            "Failed": [failed(1, "InternalError", Message="later"), failed(3, "InvalidMessageContents", Message="no")],
        },
        *"abcd",
    )
    assert sorted(names(answer.accepted)) == ["a", "c"]
    assert names(answer.failed) == "b"
    assert [(message.body, reason) for message, reason in answer.unsendable] == [("d", "no")]
    assert answer.reason == "later"
    assert answer.queue_works is True


def test_a_failure_without_words_has_its_code_for_a_reason() -> None:
    assert answered({"Failed": [failed(0, "InternalError")]}, "a").reason == "InternalError"


def test_what_the_answer_does_not_mention_has_failed() -> None:
    answer = answered({"Successful": accepted(1)}, *"abc")
    assert names(answer.failed) == "ac"
    assert answer.reason == "no word about an entry"
    assert names(answered({}, "a").failed) == "a"


@pytest.mark.parametrize(
    "error",
    [
        client_error("RequestThrottled"),
        client_error("AccessDenied"),
        client_error("ExpiredToken"),
        client_error("KMS.DisabledException"),
        client_error("AWS.SimpleQueueService.NonExistentQueue"),
        client_error("502"),
        ReadTimeoutError(endpoint_url=URL),
        NoCredentialsError(),
    ],
    ids=str,
)
def test_a_call_that_failed_or_whose_answer_was_lost_is_put_back_whole(error: Exception) -> None:
    answer = answered(error, *"abc", tried="abc")
    assert names(answer.put_back) == "abc"
    assert answer.reason == str(error)
    assert answer.queue_works is False


REFUSALS = [
    client_error("InvalidMessageContents"),
    client_error("MissingParameter"),
    client_error("AWS.SimpleQueueService.BatchRequestTooLong"),
    ParamValidationError(report="DelaySeconds: expected a number"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_batch_that_is_refused_as_a_whole_has_a_culprit_among_it(error: Exception) -> None:
    answer = answered(error, *"abc")
    assert names(answer.suspects) == "abc"
    assert answer.queue_works is None


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_message_that_is_refused_by_itself_is_unsendable(error: Exception) -> None:
    answer = answered(error, "a")
    assert [(message.body, reason) for message, reason in answer.unsendable] == [("a", str(error))]
    assert answer.queue_works is True


@pytest.mark.parametrize(
    ("tried", "works"),
    [("", False), ("a", False), ("ab", None)],
    ids=["none failed before", "one failed before", "all failed before"],
)
def test_where_all_fail_by_themselves_the_queue_is_in_trouble_unless_all_have_failed_before(
    tried: str, works: bool | None
) -> None:
    answer = answered({"Failed": [failed(0, "InternalError"), failed(1, "InternalError")]}, "a", "b", tried=tried)
    assert answer.queue_works is works


def test_a_bug_in_the_answer_is_not_taken_for_an_outage() -> None:
    with pytest.raises(ValueError, match="not a number"):
        answered({"Successful": [{"Id": "not a number"}]}, "a")
    with pytest.raises(KeyError):
        answered({"Successful": accepted(0, 0)}, "a")


def test_a_queue_that_is_there_or_denies_to_tell_is_reached() -> None:
    sqs = FakeSqs()
    assert reach(sqs.client, URL) is None
    sqs.faults.of_call = lambda _operation, _request: client_error("AccessDenied")
    assert reach(sqs.client, URL) is None
    sqs.faults.of_call = lambda _operation, _request: client_error("AWS.SimpleQueueService.NonExistentQueue")
    assert "NonExistentQueue" in (reach(sqs.client, URL) or "")
    sqs.faults.outage = True
    assert "Could not connect" in (reach(sqs.client, URL) or "")
