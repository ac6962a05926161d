"""What the stand-in accepts as a message and as a batch, and what it gives back of it."""

import hashlib
import random
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from tests.support.strict_sqs import StrictSqs, VirtualClock
from tests.support.strict_sqs.assertions import refused

MIB = 1_048_576
PREFIX = "AWS.SimpleQueueService."


@pytest.fixture
def sqs() -> StrictSqs:
    return StrictSqs(VirtualClock(), random.Random(1))


@pytest.fixture
def url(sqs: StrictSqs) -> str:
    return sqs.make_queue("posts")


def string(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


def send(sqs: StrictSqs, url: str, attributes: Any = None, body: str = "a", **options: Any) -> Any:
    return sqs.client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {}, **options)


def send_batch(sqs: StrictSqs, url: str, *bodies: str) -> Any:
    entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    return sqs.client.send_message_batch(QueueUrl=url, Entries=entries)


# Bodies


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_refused_characters_are_refused_in_body_and_attribute(sqs: StrictSqs, url: str, character: str) -> None:
    with refused("InvalidMessageContents"):
        send(sqs, url, body=f"a{character}b")
    with refused("InvalidParameterValue"):
        send(sqs, url, {"a": string(f"a{character}b")})
    assert sqs.bodies("posts") == []


def test_all_other_characters_come_through(sqs: StrictSqs, url: str) -> None:
    body = "\t\n\r ~\x7f\x85\ud7ff\ue000\ufffd\U00010000\U0010ffff"
    send(sqs, url, body=body)
    (message,) = sqs.client.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == body
    assert message["MD5OfBody"] == hashlib.md5(body.encode()).hexdigest()


def test_an_empty_body_is_refused(sqs: StrictSqs, url: str) -> None:
    with refused("MissingParameter", "MessageBody"):
        send(sqs, url, body="")


def test_a_message_may_be_as_large_as_its_queue_allows_attributes_included(sqs: StrictSqs) -> None:
    url = sqs.make_queue("small", MaximumMessageSize="1024")
    attributes = {"né": string("é")}
    with refused("InvalidParameterValue", "attributes name can only contain"):
        send(sqs, url, attributes)
    attributes = {"name": string("é")}  # 4 for the name, 6 for "String", 2 for the value
    send(sqs, url, attributes, body="é" * 506)
    with refused("InvalidParameterValue", "Message must be shorter than 1024 bytes."):
        send(sqs, url, attributes, body="é" * 506 + "a")


def test_a_message_may_have_a_mebibyte_and_no_byte_more(sqs: StrictSqs, url: str) -> None:
    send(sqs, url, body="a" * MIB)
    with refused("InvalidParameterValue", "1048576 bytes"):
        send(sqs, url, body="a" * (MIB + 1))


# Attributes


def test_attributes_come_back_as_they_were_asked_for(sqs: StrictSqs, url: str) -> None:
    sent = {
        "a.text": string("x"),
        "a.number": string("-1.5e3", "Number.float"),
        "blob": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    send(sqs, url, sent)
    for names, expected in (
        (["All"], set(sent)),
        ([".*"], set(sent)),
        (["a.*"], {"a.text", "a.number"}),
        (["blob", "none"], {"blob"}),
        ([], set()),
    ):
        (message,) = sqs.client.receive_message(QueueUrl=url, MessageAttributeNames=names, VisibilityTimeout=0)[
            "Messages"
        ]
        assert message.get("MessageAttributes", {}) == {name: sent[name] for name in expected}
        assert ("MD5OfMessageAttributes" in message) == bool(expected)


def test_md5_of_attributes_is_that_of_the_developer_guides_encoding(sqs: StrictSqs, url: str) -> None:
    # recorded from Amazon SQS: one attribute, MyAttribute = "foobar"
    answer = send(sqs, url, {"MyAttribute": string("foobar")}, body="message-1")
    assert answer["MD5OfMessageBody"] == "3d6b824fd8c1520e9a047d21fee6fb1f"
    assert answer["MD5OfMessageAttributes"] == "adb59cd4678ea5a855436b949cd07ab6"


@pytest.mark.parametrize(
    "attributes",
    [
        {str(number): string("x") for number in range(11)},
        {"a" * 257: string("x")},
        {"": string("x")},
        {"a b": string("x")},
        {"AWS.a": string("x")},
        {"amaZon.a": string("x")},
        {".a": string("x")},
        {"a.": string("x")},
        {"a..b": string("x")},
        {"a": string("")},
        {"a": {"DataType": "String"}},
        {"a": {"DataType": "Binary", "BinaryValue": b""}},
        {"a": {"DataType": "String", "StringValue": "x", "BinaryValue": b"x"}},
        {"a": {"DataType": "Binary", "StringValue": "x"}},
        {"a": string("x", "Text")},
        {"a": string("x", "Stringly")},
        {"a": string("x", "String.")},
        {"a": string("x", "String." + "x" * 250)},
        {"a": string("x", "Number")},
        {"a": string("NaN", "Number")},
        {"a": string("1" * 39, "Number")},
    ],
)
def test_attributes_against_the_rules_are_refused(sqs: StrictSqs, url: str, attributes: Any) -> None:
    with refused("InvalidParameterValue"):
        send(sqs, url, attributes)
    assert sqs.bodies("posts") == []


def test_lists_as_values_are_not_supported(sqs: StrictSqs, url: str) -> None:
    with refused(PREFIX + "UnsupportedOperation"):
        send(sqs, url, {"a": {"DataType": "String", "StringListValues": ["x"]}})


def test_ten_attributes_and_long_names_are_accepted(sqs: StrictSqs, url: str) -> None:
    send(sqs, url, {"a" * 255 + str(number): string("x") for number in range(10)})


def test_what_a_caller_changes_afterwards_does_not_change_what_was_sent(sqs: StrictSqs, url: str) -> None:
    attributes = {"a": string("x")}
    send(sqs, url, attributes)
    attributes["a"]["StringValue"] = "y"
    for _ in range(2):
        (message,) = sqs.client.receive_message(QueueUrl=url, MessageAttributeNames=["All"], VisibilityTimeout=0)[
            "Messages"
        ]
        assert message["MessageAttributes"]["a"]["StringValue"] == "x"
        message["MessageAttributes"]["a"]["StringValue"] = "z"


def test_system_attributes_are_kept_and_none_but_the_trace_header_is_taken(sqs: StrictSqs, url: str) -> None:
    trace: Any = {"AWSTraceHeader": string("Root=1-5759e988-bd862e3fe1be46a994272793")}
    send(sqs, url, MessageSystemAttributes=trace, MessageGroupId="tenant-1")
    (message,) = sqs.client.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert message["Attributes"]["MessageGroupId"] == "tenant-1"
    with refused("InvalidParameterValue"):
        send(sqs, url, MessageSystemAttributes={"Other": string("x")})
    with refused("InvalidParameterValue", "1 to 128 in length"):
        send(sqs, url, MessageGroupId="group 1")
    with refused("InvalidParameterValue", "not valid for this queue type"):
        send(sqs, url, MessageDeduplicationId="x")


@pytest.mark.parametrize("seconds", [-1, 901])
def test_delays_outside_0_to_900_are_refused(sqs: StrictSqs, url: str, seconds: int) -> None:
    with refused("InvalidParameterValue", "DelaySeconds"):
        send(sqs, url, DelaySeconds=seconds)


# Batches


def test_a_batch_fails_entry_by_entry(sqs: StrictSqs) -> None:
    url = sqs.make_queue("small", MaximumMessageSize="1024")
    answer = send_batch(sqs, url, "good", "bad \x00", "", "x" * 1025, "good too")
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "4"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("1", "InvalidMessageContents", True),
        ("2", "MissingParameter", True),
        ("3", "InvalidParameterValue", True),
    ]
    assert sqs.bodies("small") == ["good", "good too"]
    assert answer["Successful"][0]["MD5OfMessageBody"] == hashlib.md5(b"good").hexdigest()


def test_without_a_failure_there_is_no_list_of_failures(sqs: StrictSqs, url: str) -> None:
    assert "Failed" not in send_batch(sqs, url, "a")


def test_the_sizes_of_a_batch_count_together_attributes_included(sqs: StrictSqs, url: str) -> None:
    send_batch(sqs, url, "a" * (MIB - 10), "b" * 10)
    with refused(PREFIX + "BatchRequestTooLong", "You have sent 1048577 bytes."):
        send_batch(sqs, url, "a" * (MIB - 10), "b" * 11)
    entries: Any = [
        {"Id": "a", "MessageBody": "a" * (MIB - 20)},
        {"Id": "b", "MessageBody": "b" * 10, "MessageAttributes": {"n": string("1234")}},
    ]
    with refused(PREFIX + "BatchRequestTooLong", "You have sent 1048577 bytes."):
        sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert len(sqs.bodies("posts")) == 2


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(number) for number in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct"),
        (["a", ""], "InvalidBatchEntryId"),
        (["a", "with space"], "InvalidBatchEntryId"),
        (["a", "x" * 81], "InvalidBatchEntryId"),
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(sqs: StrictSqs, url: str, ids: list[str], code: str) -> None:
    with refused(PREFIX + code):
        sqs.client.send_message_batch(QueueUrl=url, Entries=[{"Id": id_, "MessageBody": "a"} for id_ in ids])
    with refused(PREFIX + code):
        sqs.client.delete_message_batch(QueueUrl=url, Entries=[{"Id": id_, "ReceiptHandle": "a"} for id_ in ids])
    with refused(PREFIX + code):
        sqs.client.change_message_visibility_batch(
            QueueUrl=url, Entries=[{"Id": id_, "ReceiptHandle": "a", "VisibilityTimeout": 0} for id_ in ids]
        )
    assert sqs.bodies("posts") == []


def test_ids_of_80_characters_are_accepted(sqs: StrictSqs, url: str) -> None:
    assert sqs.client.send_message_batch(QueueUrl=url, Entries=[{"Id": "x" * 80, "MessageBody": "a"}])["Successful"]


def test_a_change_of_visibility_in_a_batch_needs_its_timeout(sqs: StrictSqs, url: str) -> None:
    send(sqs, url)
    (message,) = sqs.client.receive_message(QueueUrl=url)["Messages"]
    answer = sqs.client.change_message_visibility_batch(
        QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
    )
    assert [entry["Code"] for entry in answer["Failed"]] == ["MissingParameter"]


# Requests that boto3 does not send


@pytest.mark.parametrize(
    "request_",
    [
        {"MessageBody": "a"},
        {"QueueUrl": "x", "MessageBody": 1},
        {"QueueUrl": "x", "MessageBody": "a", "Body": "a"},
        {"QueueUrl": "x", "MessageBody": "a", "DelaySeconds": 1.5},
        {"QueueUrl": "x", "MessageBody": "a", "MessageAttributes": {"a": {"StringValue": "x"}}},
        {"QueueUrl": "x", "MessageBody": "a", "MessageAttributes": [("a", "b")]},
    ],
)
def test_what_boto3_would_not_send_is_not_sent(sqs: StrictSqs, request_: Any) -> None:
    for _ in range(2):
        with pytest.raises(ParamValidationError):
            sqs.client.send_message(**request_)
    assert list(sqs.calls) == []


def test_a_valid_entry_does_not_hide_an_invalid_one_of_another_form(sqs: StrictSqs, url: str) -> None:
    send_batch(sqs, url, "a", "b")
    entries: Any = [{"Id": "a", "MessageBody": "a"}, {"Id": "b"}]
    with pytest.raises(ParamValidationError):
        sqs.client.send_message_batch(QueueUrl=url, Entries=entries)


@pytest.mark.parametrize("address", ["posts", "http://sqs.test/posts", "http://sqs.test/111111111111/posts", ""])
def test_what_is_no_queues_url_is_refused(sqs: StrictSqs, url: str, address: str) -> None:
    with refused("InvalidAddress"):
        sqs.client.send_message(QueueUrl=address, MessageBody="a")


def test_errors_are_of_the_classes_that_boto3_names(sqs: StrictSqs) -> None:
    with pytest.raises(sqs.client.exceptions.QueueDoesNotExist) as caught:
        sqs.client.send_message(QueueUrl="http://sqs.test/000000000000/none", MessageBody="a")
    assert caught.value.response["Error"]["Code"] == PREFIX + "NonExistentQueue"
    assert str(caught.value) == (
        "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling the SendMessage operation: "
        "The specified queue does not exist."
    )
