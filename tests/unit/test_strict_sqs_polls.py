"""The stand-in's long polls on its clock: they end by a message, by time, or by their queue's end."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.polling import wait_until
from tests.support.strict_sqs import LongPolls, RealClock, StrictSqs, VirtualClock, What
from tests.support.strict_sqs.assertions import refused

SOON = 10.0
StartPoll = Callable[..., "Future[list[str]]"]


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
def start_poll(sqs: StrictSqs, url: str) -> Iterator[StartPoll]:
    """Starts polls in threads of their own, and returns once each waits."""
    with ThreadPoolExecutor(8) as pool:

        def start(seconds: int | None = 5, **options: Any) -> "Future[list[str]]":
            waiting = sqs.broker.waiting_polls
            wait = {} if seconds is None else {"WaitTimeSeconds": seconds}
            poll = pool.submit(bodies, sqs, url, **wait, **options)
            wait_until(lambda: sqs.broker.waiting_polls > waiting or poll.done(), "the poll to wait")
            return poll

        yield start
        sqs.broker.end_polls()


def bodies(sqs: StrictSqs, url: str, **options: Any) -> list[str]:
    answer = sqs.client.receive_message(QueueUrl=url, **options)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_a_poll_ends_when_a_message_arrives(sqs: StrictSqs, url: str, start_poll: StartPoll) -> None:
    poll = start_poll()
    assert not poll.done()
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    assert poll.result(SOON) == ["a"]


def test_a_poll_ends_when_its_time_is_over(start_poll: StartPoll, sqs: StrictSqs, clock: VirtualClock) -> None:
    poll = start_poll(5)
    clock.advance(4.999)
    assert not poll.done()
    assert sqs.broker.waiting_polls == 1
    clock.advance(0.001)
    assert poll.result(SOON) == []


def test_the_queues_own_wait_counts_where_the_request_has_none(
    sqs: StrictSqs, url: str, start_poll: StartPoll, clock: VirtualClock
) -> None:
    sqs.client.set_queue_attributes(QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "3"})
    poll = start_poll(None)
    clock.advance(2)
    assert not poll.done()
    clock.advance(1)
    assert poll.result(SOON) == []


def test_a_clock_set_far_ahead_stops_where_a_poll_is_to_be_woken(
    sqs: StrictSqs, url: str, start_poll: StartPoll, clock: VirtualClock
) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=3)
    start = clock.now_ms()
    poll = start_poll(5, VisibilityTimeout=60)
    clock.advance(1000)
    assert poll.result(SOON) == ["later"]
    (delivered,) = sqs.ledger.entries(What.DELIVERED)
    assert delivered.at_ms == start + 3000
    assert clock.now_ms() == start + 1_000_000


def test_of_several_polls_each_message_goes_to_one(sqs: StrictSqs, url: str, start_poll: StartPoll) -> None:
    polls = [start_poll(20, VisibilityTimeout=60) for _ in range(3)]
    for body in "abc":
        sqs.client.send_message(QueueUrl=url, MessageBody=body)
    assert sorted(body for poll in polls for body in poll.result(SOON)) == ["a", "b", "c"]


def test_a_message_that_is_given_back_ends_a_poll(sqs: StrictSqs, url: str, start_poll: StartPoll) -> None:
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.client.receive_message(QueueUrl=url)["Messages"]
    poll = start_poll()
    sqs.client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert poll.result(SOON) == ["a"]


def test_a_poll_whose_queue_is_deleted_is_told(sqs: StrictSqs, url: str, start_poll: StartPoll) -> None:
    poll = start_poll()
    sqs.client.delete_queue(QueueUrl=url)
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        poll.result(SOON)


def test_polls_can_be_ended(sqs: StrictSqs, start_poll: StartPoll) -> None:
    polls = [start_poll(20), start_poll(20)]
    sqs.broker.end_polls()
    assert [poll.result(SOON) for poll in polls] == [[], []]


def test_where_polls_jump_one_thread_gets_what_comes_later_and_the_clock_is_there(clock: VirtualClock) -> None:
    sqs = StrictSqs(clock, random.Random(1), long_polls=LongPolls.JUMP)
    url = sqs.make_queue("posts")
    start = clock.now_ms()
    sqs.client.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=3)
    assert bodies(sqs, url, WaitTimeSeconds=20, VisibilityTimeout=60) == ["later"]
    assert clock.now_ms() == start + 3000
    assert bodies(sqs, url, WaitTimeSeconds=20) == []
    assert clock.now_ms() == start + 23_000


def test_where_polls_return_the_clock_stands_still(clock: VirtualClock) -> None:
    sqs = StrictSqs(clock, random.Random(1), long_polls=LongPolls.RETURN)
    url = sqs.make_queue("posts")
    start = clock.now_ms()
    assert bodies(sqs, url, WaitTimeSeconds=20) == []
    assert clock.now_ms() == start


def test_polls_cannot_jump_on_the_machines_clock() -> None:
    with pytest.raises(ValueError, match="virtual clock"):
        StrictSqs(RealClock(), random.Random(1), long_polls=LongPolls.JUMP)


def test_on_the_machines_clock_a_poll_ends_by_itself_and_a_timeout_runs_out() -> None:
    sqs = StrictSqs(RealClock(), random.Random(1))
    url = sqs.make_queue("posts")
    assert bodies(sqs, url, WaitTimeSeconds=1) == []
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    assert bodies(sqs, url, VisibilityTimeout=1) == ["a"]
    assert bodies(sqs, url, WaitTimeSeconds=20) == ["a"]


def test_the_clock_cannot_be_set_back(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    before = clock.now_ms()
    clock.advance_to(before - 5)
    assert clock.now_ms() == before


def test_small_steps_add_up_exactly(clock: VirtualClock) -> None:
    before = clock.now_ms()
    for _ in range(10_000):
        clock.advance(0.1)
    assert clock.now_ms() == before + 1_000_000
    assert clock() == clock.now_ms() / 1000
