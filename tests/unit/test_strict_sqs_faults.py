"""Faults on demand: before the effect and after it, of calls, of entries, of receives; the same again by the seed."""

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.support.polling import wait_until
from tests.support.strict_sqs import FaultRates, StrictSqs, VirtualClock, What
from tests.support.strict_sqs.assertions import refused
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    ANY,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    REQUEST_THROTTLED,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    EntryFails,
    LosesAnswer,
    NeverArrives,
    Receives,
    Refuses,
    Waits,
)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sqs(clock: VirtualClock) -> StrictSqs:
    return StrictSqs(clock, random.Random(1))


@pytest.fixture
def url(sqs: StrictSqs) -> str:
    return sqs.make_queue("posts")


def send(sqs: StrictSqs, url: str, body: str = "a") -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody=body)


def receive(sqs: StrictSqs, url: str, **options: Any) -> list[Any]:
    answer: Any = sqs.client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], **options
    )
    return list(answer.get("Messages", []))


def bodies(messages: list[Any]) -> list[str]:
    return [message["Body"] for message in messages]


# Before the effect


def test_a_call_that_never_arrives_has_no_effect(sqs: StrictSqs, url: str) -> None:
    sqs.faults.on("SendMessage", NeverArrives())
    with pytest.raises(EndpointConnectionError):
        send(sqs, url)
    assert sqs.bodies("posts") == []
    send(sqs, url)
    assert sqs.bodies("posts") == ["a"]


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (SERVICE_UNAVAILABLE, "ServiceUnavailable", 503),
        (INTERNAL_ERROR, "InternalError", 500),
        (REQUEST_THROTTLED, "RequestThrottled", 403),
        (THROTTLING, "ThrottlingException", 400),
        (ACCESS_DENIED, "AccessDenied", 403),
        (EXPIRED_TOKEN, "ExpiredToken", 403),
    ],
)
def test_a_refused_call_has_no_effect(sqs: StrictSqs, url: str, fault: Refuses, code: str, status: int) -> None:
    sqs.faults.on("SendMessage", fault)
    with pytest.raises(sqs.client.exceptions.ClientError) as caught:
        send(sqs, url)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert sqs.bodies("posts") == []


def test_an_outage_lets_no_call_arrive_until_it_is_over(sqs: StrictSqs, url: str) -> None:
    with sqs.faults.out_of_reach():
        for call in (lambda: send(sqs, url), lambda: receive(sqs, url), lambda: sqs.client.list_queues()):
            with pytest.raises(EndpointConnectionError):
                call()
    send(sqs, url)
    assert bodies(receive(sqs, url)) == ["a"]


def test_a_call_can_be_made_to_wait(sqs: StrictSqs, url: str) -> None:
    gate = threading.Event()
    sqs.faults.on("SendMessage", Waits(gate))
    sender = threading.Thread(target=send, args=(sqs, url))
    sender.start()
    sqs.calls.wait_for("SendMessage", 1)
    assert sqs.bodies("posts") == []
    gate.set()
    wait_until(lambda: sqs.bodies("posts") == ["a"], "the message")
    sender.join()


# After the effect


def test_a_lost_answer_leaves_the_effect(sqs: StrictSqs, url: str) -> None:
    sqs.faults.on("SendMessage", LosesAnswer())
    with pytest.raises(ConnectionClosedError):
        send(sqs, url, "a")
    sqs.faults.on("SendMessage", LosesAnswer(by_silence=True))
    with pytest.raises(ReadTimeoutError):
        send(sqs, url, "b")
    assert sqs.bodies("posts") == ["a", "b"]


def test_a_receive_whose_answer_is_lost_hides_the_messages_and_counts(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    send(sqs, url)
    sqs.faults.on("ReceiveMessage", LosesAnswer())
    with pytest.raises(ConnectionClosedError):
        receive(sqs, url)
    assert receive(sqs, url) == []
    clock.advance(30)
    (message,) = receive(sqs, url)
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_delete_whose_answer_is_lost_has_deleted(sqs: StrictSqs, url: str) -> None:
    send(sqs, url)
    (message,) = receive(sqs, url)
    sqs.faults.on("DeleteMessage", LosesAnswer(by_silence=True))
    with pytest.raises(ReadTimeoutError):
        sqs.client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.bodies("posts") == []


def test_a_call_that_is_refused_for_its_content_tells_so_though_its_answer_was_to_be_lost(
    sqs: StrictSqs, url: str
) -> None:
    sqs.faults.on("SendMessage", LosesAnswer())
    with refused("InvalidMessageContents"):
        send(sqs, url, "\x00")


# Entries


@pytest.mark.parametrize("sender_fault", [True, False])
def test_an_entry_fails_alone(sqs: StrictSqs, url: str, sender_fault: bool) -> None:
    failure = EntryFails("InternalError", sender_fault)
    sqs.faults.on_entries("SendMessageBatch", failure, where=lambda entry: entry["MessageBody"] == "b")
    entries: Any = [{"Id": body, "MessageBody": body} for body in "abc"]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["a", "c"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("b", "InternalError", sender_fault)
    assert sqs.bodies("posts") == ["a", "c"]


def test_an_entry_may_be_reported_as_failed_though_it_was_done(sqs: StrictSqs, url: str) -> None:
    sqs.faults.on_entries(ANY, EntryFails(happened=True))
    entries: Any = [{"Id": body, "MessageBody": body} for body in "ab"]
    answer = sqs.client.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Failed"]] == ["a"]
    assert sqs.bodies("posts") == ["a", "b"]


# Receives


def test_a_receive_may_see_nothing_of_what_is_there(sqs: StrictSqs, url: str) -> None:
    send(sqs, url)
    sqs.faults.on("ReceiveMessage", Receives(nothing=True))
    assert receive(sqs, url, WaitTimeSeconds=20) == []
    (message,) = receive(sqs, url)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_messages_may_come_in_another_order(sqs: StrictSqs, url: str) -> None:
    sent = [str(number) for number in range(10)]
    for body in sent:
        send(sqs, url, body)
    sqs.faults.on("ReceiveMessage", Receives(reordered=True))
    received = bodies(receive(sqs, url))
    assert received != sent
    assert sorted(received) == sent


def test_a_message_may_come_twice_at_once(sqs: StrictSqs, url: str, clock: VirtualClock) -> None:
    for body in "ab":
        send(sqs, url, body)
    sqs.faults.on("ReceiveMessage", Receives(duplicates=1))
    first, other = receive(sqs, url, VisibilityTimeout=60)
    (second,) = receive(sqs, url, VisibilityTimeout=60)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    with refused("InvalidParameterValue", "expired"):
        sqs.client.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    sqs.client.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert sqs.bodies("posts") == [other["Body"]]


def test_the_first_of_two_copies_can_be_prolonged_and_deleted_until_the_second_is_received(
    sqs: StrictSqs, url: str
) -> None:
    send(sqs, url)
    sqs.faults.on("ReceiveMessage", Receives(duplicates=1))
    (message,) = receive(sqs, url, VisibilityTimeout=60)
    sqs.client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=90)
    assert sqs.visible("posts") == ["a"]
    sqs.client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert receive(sqs, url) == []


def test_visibility_may_come_up_to_a_second_late_and_the_claim_ends_in_time(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    send(sqs, url)
    sqs.faults.late_visibility = 1.0
    (message,) = receive(sqs, url, VisibilityTimeout=60)
    clock.advance(60)
    assert receive(sqs, url) == []
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        sqs.client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=9)
    clock.advance(1)
    assert len(receive(sqs, url)) == 1


# Plans


def test_a_fault_is_for_its_operation_its_queue_and_its_turn(sqs: StrictSqs, url: str) -> None:
    other = sqs.make_queue("alerts")
    sqs.faults.on("SendMessage", THROTTLING, queue="posts", skip=1, times=2)
    send(sqs, url, "1")
    send(sqs, other, "other")
    for _ in range(2):
        with refused("ThrottlingException"):
            send(sqs, url, "2")
    send(sqs, url, "3")
    assert (sqs.bodies("posts"), sqs.bodies("alerts")) == (["1", "3"], ["other"])


def test_a_fault_without_a_number_of_times_stays_until_all_are_cleared(sqs: StrictSqs, url: str) -> None:
    sqs.faults.on(ANY, THROTTLING, times=None, where=lambda request: request.get("MessageBody") == "bad")
    for _ in range(3):
        with refused("ThrottlingException"):
            send(sqs, url, "bad")
        send(sqs, url, "good")
    sqs.faults.clear()
    send(sqs, url, "bad")
    assert sqs.bodies("posts") == ["good"] * 3 + ["bad"]


def play(seed: int) -> tuple[list[str], Any]:
    """What 300 calls with random faults give, and what the books say."""
    sqs = StrictSqs(VirtualClock(), random.Random(seed))
    url = sqs.make_queue("posts")
    sqs.faults.at_random(
        FaultRates(
            never_arrives=0.05,
            throttled=0.05,
            internal_error=0.05,
            answer_lost=0.05,
            answer_too_late=0.05,
            receives_nothing=0.1,
            reordered=0.3,
            duplicated=0.1,
            entry_fails=0.1,
            entry_fails_though_done=0.1,
            late_visibility=0.5,
        )
    )
    seen: list[str] = []
    for number in range(100):
        entries: Any = [{"Id": str(i), "MessageBody": f"{number}-{i}"} for i in range(3)]
        calls: list[Callable[[], object]] = [
            partial(sqs.client.send_message_batch, QueueUrl=url, Entries=entries),
            lambda: sqs.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1),
            lambda: sqs.client.purge_queue(QueueUrl=url),
        ]
        for call in calls:
            try:
                seen.append(repr(call()))
            except Exception as error:  # noqa: BLE001 - which exceptions, is what is compared
                seen.append(repr(error))
        assert isinstance(sqs.clock, VirtualClock)
        sqs.clock.advance(0.7)
    assert not sqs.disagreements()
    return seen, sqs.ledger.entries()


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    assert play(1) == play(1)
    assert play(1) != play(2)


def test_random_faults_of_every_kind_happen() -> None:
    seen, entries = play(1)
    for trace in ("EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError", "Throttled", "InternalError"):
        assert any(trace in each for each in seen), trace
    assert {What.ACCEPTED, What.DELIVERED, What.PURGED} <= {entry.what for entry in entries}
