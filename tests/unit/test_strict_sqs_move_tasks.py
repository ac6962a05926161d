"""The stand-in's move tasks: what goes back from the dead letters, at which pace, and what cannot."""

import random
from typing import Any

import pytest

from tests.support.strict_sqs import LongPolls, StrictSqs, VirtualClock, What
from tests.support.strict_sqs.assertions import refused

ARN = "arn:aws:sqs:us-east-1:000000000000:"
DEAD_LETTERS = ARN + "posts-dlq"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sqs(clock: VirtualClock) -> StrictSqs:
    sqs = StrictSqs(clock, random.Random(1), long_polls=LongPolls.JUMP)
    sqs.make_queue("posts-dlq")
    sqs.make_queue("posts", dead_letters="posts-dlq", most_receives=1)
    return sqs


@pytest.fixture
def client(sqs: StrictSqs) -> Any:
    return sqs.client


def url(client: Any, name: str) -> str:
    return str(client.get_queue_url(QueueName=name)["QueueUrl"])


def make_dead_letters(client: Any, *bodies: str) -> None:
    posts = url(client, "posts")
    attributes = {"trace_id": {"DataType": "String", "StringValue": "t-1"}}
    for body in bodies:
        client.send_message(QueueUrl=posts, MessageBody=body, MessageAttributes=attributes)
        client.receive_message(QueueUrl=posts, VisibilityTimeout=0)
    assert "Messages" not in client.receive_message(QueueUrl=posts)


def task(client: Any) -> Any:
    (found,) = client.list_message_move_tasks(SourceArn=DEAD_LETTERS)["Results"]
    return found


def test_dead_letters_go_back_to_where_they_came_from_as_new_messages(
    sqs: StrictSqs, client: Any, clock: VirtualClock
) -> None:
    make_dead_letters(client, "a")
    (letter,) = sqs.broker.contents("posts-dlq")
    clock.advance(100)
    client.start_message_move_task(SourceArn=DEAD_LETTERS)
    started = clock.now_ms()
    clock.advance(1)
    (message,) = client.receive_message(
        QueueUrl=url(client, "posts"), MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert message["Body"] == "a"
    assert message["MessageAttributes"]["trace_id"]["StringValue"] == "t-1"
    assert message["MessageId"] != letter.id
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SentTimestamp"] == str(started + 2)  # at 500 a second
    assert sqs.bodies("posts-dlq") == []
    (redriven,) = sqs.ledger.entries(What.REDRIVEN)
    assert (redriven.message_id, redriven.detail, redriven.new_id) == (letter.id, "posts", message["MessageId"])
    assert not sqs.disagreements()


def test_a_task_moves_at_its_rate_and_tells_how_far_it_is(sqs: StrictSqs, client: Any, clock: VirtualClock) -> None:
    make_dead_letters(client, *"abcde")
    handle = client.start_message_move_task(
        SourceArn=DEAD_LETTERS, DestinationArn=ARN + "posts", MaxNumberOfMessagesPerSecond=2
    )["TaskHandle"]
    started = clock.now_ms()
    clock.advance(1.5)
    assert task(client) == {
        "TaskHandle": handle,
        "Status": "RUNNING",
        "SourceArn": DEAD_LETTERS,
        "DestinationArn": ARN + "posts",
        "MaxNumberOfMessagesPerSecond": 2,
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 5,
        "StartedTimestamp": started,
    }
    assert (len(sqs.bodies("posts")), len(sqs.bodies("posts-dlq"))) == (3, 2)
    clock.advance(1)
    assert (task(client)["Status"], task(client)["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 5)
    assert "TaskHandle" not in task(client)


def test_a_poll_of_the_destination_gets_what_is_moved_when_it_is_moved(client: Any, clock: VirtualClock) -> None:
    make_dead_letters(client, "a", "b")
    client.start_message_move_task(SourceArn=DEAD_LETTERS, MaxNumberOfMessagesPerSecond=1)
    started = clock.now_ms()
    posts = url(client, "posts")
    assert len(client.receive_message(QueueUrl=posts, WaitTimeSeconds=20, VisibilityTimeout=60)["Messages"]) == 1
    assert clock.now_ms() == started + 1000


def test_what_was_sent_to_the_dead_letters_by_hand_has_no_source_to_go_back_to(
    sqs: StrictSqs, client: Any, clock: VirtualClock
) -> None:
    client.send_message(QueueUrl=url(client, "posts-dlq"), MessageBody="by hand")
    client.start_message_move_task(SourceArn=DEAD_LETTERS)
    clock.advance(1)
    assert (task(client)["Status"], task(client)["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert sqs.bodies("posts-dlq") == ["by hand"]
    client.start_message_move_task(SourceArn=DEAD_LETTERS, DestinationArn=ARN + "posts")
    clock.advance(1)
    assert (task(client)["Status"], sqs.bodies("posts")) == ("COMPLETED", ["by hand"])


def test_what_becomes_a_dead_letter_after_the_start_stays(sqs: StrictSqs, client: Any, clock: VirtualClock) -> None:
    client.start_message_move_task(SourceArn=DEAD_LETTERS, DestinationArn=ARN + "posts")
    client.send_message(QueueUrl=url(client, "posts-dlq"), MessageBody="later")
    clock.advance(1)
    assert task(client)["Status"] == "COMPLETED"
    assert (sqs.bodies("posts"), sqs.bodies("posts-dlq")) == ([], ["later"])


def test_what_is_in_flight_stays(sqs: StrictSqs, client: Any, clock: VirtualClock) -> None:
    make_dead_letters(client, "a", "b")
    client.receive_message(QueueUrl=url(client, "posts-dlq"), VisibilityTimeout=600)
    client.start_message_move_task(SourceArn=DEAD_LETTERS)
    clock.advance(10)
    assert task(client)["Status"] == "COMPLETED"
    assert (len(sqs.bodies("posts")), len(sqs.bodies("posts-dlq"))) == (1, 1)


def test_a_task_that_is_cancelled_leaves_what_it_has_not_moved(
    sqs: StrictSqs, client: Any, clock: VirtualClock
) -> None:
    make_dead_letters(client, *"abc")
    handle = client.start_message_move_task(SourceArn=DEAD_LETTERS, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    clock.advance(1)
    assert client.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 1
    clock.advance(10)
    assert (task(client)["Status"], len(sqs.bodies("posts-dlq"))) == ("CANCELLED", 2)
    with refused("ResourceNotFoundException", "Task does not exist."):
        client.cancel_message_move_task(TaskHandle=handle)
    with refused("InvalidParameterValue", "TaskHandle"):
        client.cancel_message_move_task(TaskHandle="nonsense")


def test_a_task_whose_destination_is_deleted_fails(sqs: StrictSqs, client: Any, clock: VirtualClock) -> None:
    sqs.make_queue("other")
    make_dead_letters(client, *"abc")
    client.start_message_move_task(SourceArn=DEAD_LETTERS, DestinationArn=ARN + "other", MaxNumberOfMessagesPerSecond=1)
    clock.advance(1)
    assert task(client)["ApproximateNumberOfMessagesMoved"] == 1
    client.delete_queue(QueueUrl=url(client, "other"))
    clock.advance(1)
    assert (task(client)["Status"], task(client)["FailureReason"]) == (
        "FAILED",
        "AWS.SimpleQueueService.NonExistentQueue",
    )
    assert len(sqs.bodies("posts-dlq")) == 2


def test_one_task_runs_for_a_queue_at_a_time_and_the_latest_are_listed_first(client: Any, clock: VirtualClock) -> None:
    make_dead_letters(client, *"ab")
    for _ in range(2):
        client.start_message_move_task(SourceArn=DEAD_LETTERS, MaxNumberOfMessagesPerSecond=1)
        with refused("InvalidParameterValue", "already a task running"):
            client.start_message_move_task(SourceArn=DEAD_LETTERS)
        clock.advance(2)
    results = client.list_message_move_tasks(SourceArn=DEAD_LETTERS, MaxResults=10)["Results"]
    assert [result["ApproximateNumberOfMessagesToMove"] for result in results] == [0, 2]
    with refused("InvalidParameterValue", "MaxResults"):
        client.list_message_move_tasks(SourceArn=DEAD_LETTERS, MaxResults=11)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"SourceArn": ARN + "posts"}, "InvalidParameterValue", "configured as a Dead Letter Queue"),
        ({"SourceArn": ARN + "none"}, "ResourceNotFoundException", "SourceArn"),
        ({"SourceArn": DEAD_LETTERS, "DestinationArn": ARN + "x"}, "ResourceNotFoundException", "DestinationArn"),
        (
            {"SourceArn": DEAD_LETTERS, "MaxNumberOfMessagesPerSecond": 501},
            "InvalidParameterValue",
            "between 1 and 500",
        ),
    ],
)
def test_tasks_that_cannot_be_are_refused(client: Any, request_: Any, code: str, text: str) -> None:
    with refused(code, text):
        client.start_message_move_task(**request_)
