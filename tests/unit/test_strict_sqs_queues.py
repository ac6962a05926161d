"""The stand-in's queues: made, described, purged, deleted; delays, retention and dead letters by its clock."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.strict_sqs import Limits, StrictSqs, VirtualClock, What
from tests.support.strict_sqs.assertions import refused

DAY = 86_400
PREFIX = "AWS.SimpleQueueService."


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sqs(clock: VirtualClock) -> StrictSqs:
    return StrictSqs(clock, random.Random(1))


@pytest.fixture
def client(sqs: StrictSqs) -> Any:
    return sqs.client


@pytest.fixture
def url(sqs: StrictSqs) -> str:
    sqs.make_queue("posts-dlq")
    return sqs.make_queue("posts", dead_letters="posts-dlq", most_receives=2)


def receive(client: Any, url: str, **options: Any) -> list[Any]:
    names = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    return list(client.receive_message(QueueUrl=url, **names, **options).get("Messages", []))


# Delay and retention


def test_a_delayed_message_comes_when_its_delay_is_over(sqs: StrictSqs, client: Any, clock: VirtualClock) -> None:
    url = sqs.make_queue("slow", DelaySeconds="10")
    client.send_message(QueueUrl=url, MessageBody="as the queue has it")
    client.send_message(QueueUrl=url, MessageBody="at once", DelaySeconds=0)
    client.send_message(QueueUrl=url, MessageBody="latest", DelaySeconds=900)
    assert sqs.visible("slow") == ["at once"]
    assert sqs.broker.counts("slow") == (1, 0, 2)
    clock.advance(10)
    assert sqs.visible("slow") == ["at once", "as the queue has it"]
    clock.advance(889.999)
    assert len(sqs.visible("slow")) == 2
    clock.advance(0.001)
    assert len(sqs.visible("slow")) == 3


def test_messages_expire_after_four_days_in_flight_or_not(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    for body in "ab":
        client.send_message(QueueUrl=url, MessageBody=body)
    sent = clock.now_ms()
    clock.advance(4 * DAY - 1)
    (held,) = receive(client, url, VisibilityTimeout=600)
    clock.advance(0.999)
    assert len(sqs.bodies("posts")) == 2
    clock.advance(0.001)
    assert sqs.bodies("posts") == []
    client.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    assert [entry.at_ms for entry in sqs.ledger.entries(What.EXPIRED)] == [sent + 4 * DAY * 1000] * 2
    assert not sqs.disagreements()


def test_a_shorter_retention_takes_effect_on_what_is_there(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    client.send_message(QueueUrl=url, MessageBody="a")
    clock.advance(60)
    client.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert receive(client, url) == []


# Dead letters


def test_a_message_goes_to_the_dead_letters_at_the_receive_after_its_last(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    sent = clock.now_ms()
    attributes = {"trace_id": {"DataType": "String", "StringValue": "t-1"}}
    client.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=attributes)
    for _ in range(2):
        assert len(receive(client, url)) == 1
        clock.advance(30)
    assert (sqs.visible("posts"), sqs.bodies("posts-dlq")) == (["a"], [])
    assert receive(client, url) == []
    assert (sqs.bodies("posts"), sqs.visible("posts-dlq")) == ([], ["a"])
    (letter,) = receive(client, client.get_queue_url(QueueName="posts-dlq")["QueueUrl"])
    assert letter["MessageAttributes"] == attributes
    assert letter["Attributes"]["ApproximateReceiveCount"] == "3"
    assert letter["Attributes"]["SentTimestamp"] == str(sent)
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == "arn:aws:sqs:us-east-1:000000000000:posts"
    moved = sqs.ledger.entries(What.MOVED)
    assert [(entry.queue, entry.detail, entry.receives) for entry in moved] == [("posts", "posts-dlq", 2)]


def test_a_receive_passes_over_the_exhausted_to_those_behind_them(sqs: StrictSqs, client: Any, url: str) -> None:
    for body in "abc":
        client.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(2):
        assert len(receive(client, url, MaxNumberOfMessages=10, VisibilityTimeout=0)) == 3
    client.send_message(QueueUrl=url, MessageBody="fresh")
    assert [message["Body"] for message in receive(client, url, MaxNumberOfMessages=10)] == ["fresh"]
    assert sorted(sqs.bodies("posts-dlq")) == ["a", "b", "c"]


def test_a_dead_letter_expires_by_its_first_sending(sqs: StrictSqs, client: Any, url: str, clock: VirtualClock) -> None:
    client.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(2):
        receive(client, url, VisibilityTimeout=0)
    clock.advance(3 * DAY)
    assert receive(client, url) == []
    clock.advance(DAY - 1)
    assert sqs.bodies("posts-dlq") == ["a"]
    clock.advance(1)
    assert sqs.bodies("posts-dlq") == []


def test_an_old_receipt_reaches_nothing_in_the_dead_letters(sqs: StrictSqs, client: Any, url: str) -> None:
    client.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(2):
        (message,) = receive(client, url, VisibilityTimeout=0)
    receive(client, url)
    dead_letters = client.get_queue_url(QueueName="posts-dlq")["QueueUrl"]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with refused("ReceiptHandleIsInvalid"):
        client.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.bodies("posts-dlq") == ["a"]


def test_an_old_timeout_does_not_show_what_was_moved_meanwhile(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    client.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(2):
        (message,) = receive(client, url, VisibilityTimeout=100)
        client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert receive(client, url) == []
    receive(client, client.get_queue_url(QueueName="posts-dlq")["QueueUrl"], VisibilityTimeout=100)
    clock.advance(100)
    assert (sqs.bodies("posts"), sqs.visible("posts-dlq")) == ([], ["a"])


def test_without_its_dead_letter_queue_a_message_goes_on_coming(client: Any, url: str) -> None:
    client.delete_queue(QueueUrl=client.get_queue_url(QueueName="posts-dlq")["QueueUrl"])
    client.send_message(QueueUrl=url, MessageBody="a")
    for _ in range(4):
        assert len(receive(client, url, VisibilityTimeout=0)) == 1


@pytest.mark.parametrize(
    "policy",
    [
        "nonsense",
        '"text"',
        "{}",
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:posts-dlq"}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:posts-dlq", "maxReceiveCount": 0}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:posts-dlq", "maxReceiveCount": 1001}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:none", "maxReceiveCount": 5}',
        '{"deadLetterTargetArn": "posts-dlq", "maxReceiveCount": 5}',
    ],
)
def test_a_redrive_policy_that_leads_nowhere_is_refused(sqs: StrictSqs, client: Any, url: str, policy: str) -> None:
    with refused("InvalidParameterValue"):
        client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    with refused("InvalidParameterValue"):
        client.create_queue(QueueName="other", Attributes={"RedrivePolicy": policy})
    assert sqs.broker.registry.names() == ["posts", "posts-dlq"]


def test_an_empty_redrive_policy_takes_it_away(client: Any, url: str) -> None:
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_the_queues_behind_a_dead_letter_queue_are_listed(sqs: StrictSqs, client: Any, url: str) -> None:
    sqs.make_queue("alerts", dead_letters="posts-dlq")
    dead_letters = client.get_queue_url(QueueName="posts-dlq")["QueueUrl"]
    listed = client.list_dead_letter_source_queues(QueueUrl=dead_letters)["queueUrls"]
    assert [each.rsplit("/", 1)[1] for each in listed] == ["alerts", "posts"]
    assert client.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == []


# Attributes


def test_attributes_are_those_of_a_standard_queue(client: Any, clock: VirtualClock) -> None:
    url = client.create_queue(QueueName="posts")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="a")
    client.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=9)
    receive(client, url)
    created = str(clock.now_ms() // 1000)
    # as recorded from Amazon SQS, the counts apart
    assert client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "1",
        "ApproximateNumberOfMessagesNotVisible": "1",
        "CreatedTimestamp": created,
        "DelaySeconds": "0",
        "LastModifiedTimestamp": created,
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": "arn:aws:sqs:us-east-1:000000000000:posts",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }
    asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "RedrivePolicy"])
    assert list(asked["Attributes"]) == ["QueueArn"]
    assert "Attributes" not in client.get_queue_attributes(QueueUrl=url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DelaySeconds", "901"),
        ("DelaySeconds", "-1"),
        ("DelaySeconds", "soon"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", ""),
    ],
)
def test_attributes_out_of_their_range_are_refused(client: Any, url: str, name: str, value: str) -> None:
    with refused("InvalidAttributeValue", name):
        client.set_queue_attributes(QueueUrl=url, Attributes={name: value})
    with refused("InvalidAttributeValue", name):
        client.create_queue(QueueName="other", Attributes={name: value})


@pytest.mark.parametrize("name", ["Nonsense", "QueueArn", "ApproximateNumberOfMessages", "FifoQueue"])
def test_attributes_that_cannot_be_set_are_refused(client: Any, url: str, name: str) -> None:
    with refused("InvalidAttributeName", f"Unknown Attribute {name}."):
        client.set_queue_attributes(QueueUrl=url, Attributes={name: "1"})
    with refused("InvalidAttributeName"):
        client.create_queue(QueueName="other", Attributes={name: "1"})


def test_an_unknown_attribute_is_not_told(client: Any, url: str) -> None:
    with refused("InvalidAttributeName"):
        client.get_queue_attributes(QueueUrl=url, AttributeNames=["Nonsense"])


# Names, making and deleting


def test_a_queue_is_made_once_and_not_again_with_other_attributes(client: Any) -> None:
    first = client.create_queue(QueueName="a", Attributes={"VisibilityTimeout": "10"})
    assert client.create_queue(QueueName="a", Attributes={"VisibilityTimeout": "10"})["QueueUrl"] == first["QueueUrl"]
    assert client.create_queue(QueueName="a")["QueueUrl"] == first["QueueUrl"]
    with refused("QueueAlreadyExists", "VisibilityTimeout"):
        client.create_queue(QueueName="a", Attributes={"VisibilityTimeout": "11"})


def test_a_redrive_policy_is_compared_by_what_it_says(client: Any, url: str) -> None:
    arn = "arn:aws:sqs:us-east-1:000000000000:posts-dlq"
    same = json.dumps({"maxReceiveCount": "2", "deadLetterTargetArn": arn}, indent=1)
    assert client.create_queue(QueueName="posts", Attributes={"RedrivePolicy": same})["QueueUrl"] == url


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 81, "a.fifo"])
def test_names_against_the_rules_are_refused(client: Any, name: str) -> None:
    with refused("InvalidParameterValue", "1 to 80 in length"):
        client.create_queue(QueueName=name)


def test_fifo_queues_and_tags_are_said_to_be_missing(client: Any) -> None:
    with refused(PREFIX + "UnsupportedOperation", "standard queues only"):
        client.create_queue(QueueName="a.fifo", Attributes={"FifoQueue": "true"})
    with refused(PREFIX + "UnsupportedOperation", "tags"):
        client.create_queue(QueueName="a", tags={"a": "b"})


def test_a_deleted_queue_is_gone_with_its_messages_and_its_name_blocked_for_a_minute(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    client.send_message(QueueUrl=url, MessageBody="a")
    client.delete_queue(QueueUrl=url)
    calls: list[Callable[[], Any]] = [
        lambda: client.send_message(QueueUrl=url, MessageBody="a"),
        lambda: client.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "a"}]),
        lambda: client.receive_message(QueueUrl=url),
        lambda: client.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": "a"}]),
        lambda: client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
        lambda: client.get_queue_url(QueueName="posts"),
        lambda: client.purge_queue(QueueUrl=url),
        lambda: client.delete_queue(QueueUrl=url),
    ]
    for call in calls:
        with refused(PREFIX + "NonExistentQueue", "The specified queue does not exist."):
            call()
    clock.advance(59.999)
    with refused(PREFIX + "QueueDeletedRecently"):
        client.create_queue(QueueName="posts")
    clock.advance(0.001)
    client.create_queue(QueueName="posts")
    assert sqs.bodies("posts") == []
    assert not sqs.disagreements()


def test_a_purge_takes_everything_and_is_not_repeated_within_a_minute(
    sqs: StrictSqs, client: Any, url: str, clock: VirtualClock
) -> None:
    for body in "abc":
        client.send_message(QueueUrl=url, MessageBody=body)
    client.send_message(QueueUrl=url, MessageBody="d", DelaySeconds=9)
    (held,) = receive(client, url)
    client.purge_queue(QueueUrl=url)
    assert sqs.bodies("posts") == []
    assert sqs.broker.counts("posts") == (0, 0, 0)
    client.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    client.send_message(QueueUrl=url, MessageBody="e")
    with refused(PREFIX + "PurgeQueueInProgress"):
        client.purge_queue(QueueUrl=url)
    clock.advance(60)
    client.purge_queue(QueueUrl=url)
    assert sqs.ledger.bodies(What.PURGED) == {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}


def test_waits_can_be_shortened() -> None:
    sqs = StrictSqs(VirtualClock(), random.Random(1), limits=Limits(between_purges=0, before_recreation=0))
    url = sqs.make_queue("posts")
    for _ in range(2):
        sqs.client.purge_queue(QueueUrl=url)
    sqs.client.delete_queue(QueueUrl=url)
    sqs.client.create_queue(QueueName="posts")


def test_a_queue_that_vanishes_comes_back_with_its_messages_and_receipts(sqs: StrictSqs, client: Any, url: str) -> None:
    for body in "ab":
        client.send_message(QueueUrl=url, MessageBody=body)
    (held,) = receive(client, url)
    sqs.broker.registry.vanish("posts")
    with refused(PREFIX + "NonExistentQueue"):
        client.receive_message(QueueUrl=url)
    with refused(PREFIX + "QueueDeletedRecently"):
        client.create_queue(QueueName="posts")
    sqs.broker.registry.bring_back("posts")
    client.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    assert [message["Body"] for message in receive(client, url)] == ["b"]


def test_queues_are_listed_in_pages(sqs: StrictSqs, client: Any) -> None:
    assert "QueueUrls" not in client.list_queues()
    for name in ("a1", "a2", "a3", "b1"):
        sqs.make_queue(name)
    urls = client.list_queues()["QueueUrls"]
    assert [url.rsplit("/", 1)[1] for url in urls] == ["a1", "a2", "a3", "b1"]
    first = client.list_queues(QueueNamePrefix="a", MaxResults=2)
    assert (first["QueueUrls"], "NextToken" in first) == (urls[:2], True)
    second = client.list_queues(QueueNamePrefix="a", MaxResults=2, NextToken=first["NextToken"])
    assert (second["QueueUrls"], "NextToken" in second) == (urls[2:3], False)
    with refused("InvalidParameterValue"):
        client.list_queues(MaxResults=1001)
    with refused("InvalidParameterValue"):
        client.list_queues(MaxResults=1, NextToken="nonsense")
