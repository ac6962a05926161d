"""The stand-in's receives: visibility, receipts, counts, and the cap of messages in flight."""

import random
from typing import Any

import pytest

from tests.support.strict_sqs import ExpiredReceipts, Limits, LongPolls, StrictSqs, VirtualClock
from tests.support.strict_sqs.assertions import refused

HOUR = 3600
NOT_INFLIGHT = "AWS.SimpleQueueService.MessageNotInflight"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sqs(clock: VirtualClock) -> StrictSqs:
    return StrictSqs(clock, random.Random(1))


@pytest.fixture
def url(sqs: StrictSqs) -> str:
    return sqs.make_queue("posts")


@pytest.fixture
def honouring(clock: VirtualClock) -> StrictSqs:
    """Expired receipts work as they were seen to do."""
    return StrictSqs(clock, random.Random(1), expired_receipts=ExpiredReceipts.HONOURED)


def receive(sqs: StrictSqs, url: str, limit: int = 10, **options: Any) -> list[Any]:
    answer: Any = sqs.client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=limit, MessageSystemAttributeNames=["All"], **options
    )
    return list(answer.get("Messages", []))


def receive_one(sqs: StrictSqs, url: str, **options: Any) -> Any:
    (message,) = receive(sqs, url, **options)
    return message


def count(message: Any) -> str:
    return str(message["Attributes"]["ApproximateReceiveCount"])


def hide(sqs: StrictSqs, url: str, message: Any, seconds: int) -> None:
    sqs.client.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
    )


def delete(sqs: StrictSqs, url: str, message: Any) -> None:
    sqs.client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_a_received_message_is_invisible_until_its_timeout_to_the_millisecond(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    first = receive_one(sqs, url, VisibilityTimeout=60)
    clock.advance(59.999)
    assert receive(sqs, url) == []
    clock.advance(0.001)
    second = receive_one(sqs, url)
    assert (second["MessageId"], count(first), count(second)) == (first["MessageId"], "1", "2")


def test_without_a_timeout_in_the_request_the_queues_own_counts(sqs: StrictSqs, clock: VirtualClock) -> None:
    url = sqs.make_queue("short", VisibilityTimeout="5")
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    receive_one(sqs, url)
    clock.advance(5)
    receive_one(sqs, url)


def test_a_changed_timeout_counts_from_the_change(sqs: StrictSqs, url: str, clock: VirtualClock) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url, VisibilityTimeout=60)
    clock.advance(15)
    hide(sqs, url, message, 10)
    clock.advance(9.999)
    assert receive(sqs, url) == []
    clock.advance(0.001)
    assert count(receive_one(sqs, url)) == "2"


def test_an_earlier_timeout_that_was_prolonged_does_not_show_the_message(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url, VisibilityTimeout=60)
    hide(sqs, url, message, 120)
    clock.advance(119)
    assert receive(sqs, url) == []


def test_giving_back_shows_a_message_at_once_and_still_counts_as_a_receive(sqs: StrictSqs, url: str) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    for receives in range(1, 5):
        message = receive_one(sqs, url)
        assert count(message) == str(receives)
        hide(sqs, url, message, 0)


def test_a_receive_with_a_timeout_of_zero_gives_each_message_once_and_leaves_it_visible(
    sqs: StrictSqs, url: str
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    receive_one(sqs, url, VisibilityTimeout=0)
    assert count(receive_one(sqs, url, VisibilityTimeout=0)) == "2"


def test_twelve_hours_from_the_receive_are_the_end_of_all_prolonging(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url, VisibilityTimeout=60)
    clock.advance(30)
    with refused("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit"):
        hide(sqs, url, message, 12 * HOUR - 29)
    hide(sqs, url, message, 12 * HOUR - 30)
    clock.advance(12 * HOUR - 30)
    # the next receive begins anew
    again = receive_one(sqs, url, VisibilityTimeout=12 * HOUR)
    hide(sqs, url, again, 12 * HOUR)


@pytest.mark.parametrize("seconds", [-1, 43_201])
def test_timeouts_beyond_twelve_hours_are_refused(sqs: StrictSqs, url: str, seconds: int) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    with refused("InvalidParameterValue", "VisibilityTimeout"):
        receive(sqs, url, VisibilityTimeout=seconds)
    message = receive_one(sqs, url)
    with refused("InvalidParameterValue", "VisibilityTimeout"):
        hide(sqs, url, message, seconds)


def test_an_expired_receipt_neither_hides_nor_deletes(sqs: StrictSqs, url: str, clock: VirtualClock) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url, VisibilityTimeout=60)
    clock.advance(60)
    with refused(NOT_INFLIGHT):
        hide(sqs, url, message, 60)
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        delete(sqs, url, message)
    assert sqs.visible("posts") == ["a"]


def test_a_receipt_of_an_earlier_receive_does_nothing_to_the_new_holder(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    late = receive_one(sqs, url, VisibilityTimeout=60)
    clock.advance(60)
    receive_one(sqs, url, VisibilityTimeout=60)
    with refused("InvalidParameterValue", "not available for visibility timeout change"):
        hide(sqs, url, late, 0)
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        delete(sqs, url, late)
    assert sqs.broker.counts("posts") == (0, 1, 0)


def test_where_expired_receipts_are_honoured_the_latest_still_hides_and_deletes(
    honouring: StrictSqs, clock: VirtualClock
) -> None:
    url = honouring.make_queue("posts")
    honouring.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(honouring, url, VisibilityTimeout=60)
    clock.advance(60)
    hide(honouring, url, message, 60)
    assert receive(honouring, url) == []
    clock.advance(60)
    delete(honouring, url, message)
    assert honouring.bodies("posts") == []


def test_where_expired_receipts_are_honoured_an_older_delete_succeeds_without_effect(
    honouring: StrictSqs, clock: VirtualClock
) -> None:
    url = honouring.make_queue("posts")
    honouring.client.send_message(QueueUrl=url, MessageBody="a")
    old = receive_one(honouring, url, VisibilityTimeout=60)
    clock.advance(60)
    receive_one(honouring, url)
    delete(honouring, url, old)
    assert honouring.bodies("posts") == ["a"]
    with refused("InvalidParameterValue", "not available for visibility timeout change"):
        hide(honouring, url, old, 60)


def test_to_delete_twice_is_no_error_and_to_hide_what_is_gone_is_one(sqs: StrictSqs, url: str) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url)
    delete(sqs, url, message)
    delete(sqs, url, message)
    with refused("InvalidParameterValue", "Message does not exist"):
        hide(sqs, url, message, 60)


@pytest.mark.parametrize("handle", ["", "nonsense", "AQEB-1-1", "AQEB-1-99-1", "AQEB-1-x-1", "AQEB-7-1-1"])
def test_what_was_never_a_receipt_of_the_queue_is_refused(sqs: StrictSqs, url: str, handle: str) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    with refused("ReceiptHandleIsInvalid"):
        sqs.client.delete_message(QueueUrl=url, ReceiptHandle=handle)
    with refused("ReceiptHandleIsInvalid"):
        sqs.client.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)


def test_a_receipt_of_a_queue_that_was_made_anew_is_of_another_queue(sqs: StrictSqs, clock: VirtualClock) -> None:
    url = sqs.make_queue("posts")
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    message = receive_one(sqs, url)
    sqs.client.delete_queue(QueueUrl=url)
    clock.advance(60)
    sqs.make_queue("posts")
    with refused("ReceiptHandleIsInvalid"):
        delete(sqs, url, message)


def test_batches_of_deletes_and_changes_fail_entry_by_entry(sqs: StrictSqs, url: str, clock: VirtualClock) -> None:
    for body in "abc":
        sqs.client.send_message(QueueUrl=url, MessageBody=body)
    expired = receive_one(sqs, url, limit=1, VisibilityTimeout=1)
    clock.advance(1)
    good = receive_one(sqs, url, limit=1)
    handles = {"good": good["ReceiptHandle"], "expired": expired["ReceiptHandle"], "never": "nonsense"}
    changed = sqs.client.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{"Id": i, "ReceiptHandle": handle, "VisibilityTimeout": 9} for i, handle in handles.items()],
    )
    assert [entry["Id"] for entry in changed["Successful"]] == ["good"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in changed["Failed"]] == [
        ("expired", NOT_INFLIGHT, True),
        ("never", "ReceiptHandleIsInvalid", True),
    ]
    deleted = sqs.client.delete_message_batch(
        QueueUrl=url, Entries=[{"Id": i, "ReceiptHandle": handle} for i, handle in handles.items()]
    )
    assert [entry["Id"] for entry in deleted["Successful"]] == ["good"]
    assert [(e["Id"], e["Code"]) for e in deleted["Failed"]] == [
        ("expired", "InvalidParameterValue"),
        ("never", "ReceiptHandleIsInvalid"),
    ]
    assert sorted(sqs.bodies("posts")) == ["a", "c"]


def test_at_the_cap_of_messages_in_flight_short_polls_are_refused_and_long_ones_give_nothing(
    clock: VirtualClock,
) -> None:
    sqs = StrictSqs(clock, random.Random(1), limits=Limits(in_flight=12), long_polls=LongPolls.JUMP)
    url = sqs.make_queue("posts")
    for number in range(20):
        sqs.client.send_message(QueueUrl=url, MessageBody=str(number))
    assert len(receive(sqs, url, VisibilityTimeout=600)) == 10
    held = receive(sqs, url, VisibilityTimeout=600)
    assert len(held) == 2
    with refused("OverLimit"):
        receive(sqs, url)
    assert receive(sqs, url, WaitTimeSeconds=5) == []
    delete(sqs, url, held[0])
    assert len(receive(sqs, url)) == 1


def test_much_work_at_one_time_hides_and_forgets_none_of_what_waits(
    sqs: StrictSqs, url: str, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="held")
    receive_one(sqs, url, VisibilityTimeout=600)
    sqs.client.send_message(QueueUrl=url, MessageBody="delayed", DelaySeconds=600)
    for number in range(3000):  # more than a queue keeps of what is out of date
        sqs.client.send_message(QueueUrl=url, MessageBody=str(number))
        delete(sqs, url, receive_one(sqs, url))
    assert sqs.broker.counts("posts") == (0, 1, 1)
    clock.advance(600)
    assert sqs.visible("posts") == ["held", "delayed"]
    clock.advance(4 * 24 * HOUR)
    assert sqs.bodies("posts") == []


def test_times_and_counts_of_a_message_are_told(sqs: StrictSqs, url: str, clock: VirtualClock) -> None:
    sent = clock.now_ms()
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    clock.advance(7)
    receive_one(sqs, url, VisibilityTimeout=0)
    clock.advance(7)
    attributes = receive_one(sqs, url)["Attributes"]
    assert attributes["SentTimestamp"] == str(sent)
    assert attributes["ApproximateFirstReceiveTimestamp"] == str(sent + 7000)
    assert attributes["ApproximateReceiveCount"] == "2"


@pytest.mark.parametrize("limit", [0, 11])
def test_a_receive_of_no_or_too_many_messages_is_refused(sqs: StrictSqs, url: str, limit: int) -> None:
    with refused("InvalidParameterValue", "Must be between 1 and 10"):
        receive(sqs, url, limit=limit)


@pytest.mark.parametrize("seconds", [-1, 21])
def test_a_poll_of_more_than_20_seconds_is_refused(sqs: StrictSqs, url: str, seconds: int) -> None:
    with refused("InvalidParameterValue", "WaitTimeSeconds"):
        receive(sqs, url, WaitTimeSeconds=seconds)


def test_only_one_message_is_received_where_no_number_is_given(sqs: StrictSqs, url: str) -> None:
    for body in "ab":
        sqs.client.send_message(QueueUrl=url, MessageBody=body)
    assert len(sqs.client.receive_message(QueueUrl=url)["Messages"]) == 1
