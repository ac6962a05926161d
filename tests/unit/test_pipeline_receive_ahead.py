"""Receiving ahead: the buffer's bounds, what stops receiving, and what becomes of the buffer at the end."""

import threading
from collections.abc import Iterator

import pytest

import pipeline.connection_state
import pipeline.queue_reader
import pipeline.receive_ahead
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log
from tests.support.stepped_reader import SteppedReader
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    REQUEST_THROTTLED,
    LosesAnswer,
    NeverArrives,
    Receives,
    Refuses,
    Waits,
)

RECEIVE = "ReceiveMessage"
NUMBERS = [str(number) for number in range(100)]


@pytest.fixture
def bench() -> SteppedReader:
    return SteppedReader()


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state)


def fill_up(bench: SteppedReader) -> int:
    """Receives for as long as it is wanted; how often it was."""
    before = bench.calls(RECEIVE)
    while bench.reader.receiving.is_wanted():
        bench.fill()
    return bench.calls(RECEIVE) - before


# The bounds


def test_three_full_receives_are_buffered_and_the_next_only_when_there_is_room_for_all_of_it(
    bench: SteppedReader,
) -> None:
    bench.send(*NUMBERS)
    assert fill_up(bench) == 3
    bench.take(9)
    assert fill_up(bench) == 0
    bench.take(1)
    assert fill_up(bench) == 1
    assert {request["MaxNumberOfMessages"] for request in bench.sqs.calls.requests(RECEIVE)} == {10}


def test_messages_are_handed_out_in_the_order_of_their_arrival(bench: SteppedReader) -> None:
    bench.send(*NUMBERS)
    fill_up(bench)
    taken = [message.body for limit in (1, 10, 4, 20) for message in bench.take(limit)]
    assert taken == NUMBERS[:30]


def test_a_smaller_bound_makes_smaller_receives() -> None:
    bench = SteppedReader(max_messages=3)
    bench.send(*NUMBERS)
    assert fill_up(bench) == 1
    assert len(bench.take()) == 3
    assert {request["MaxNumberOfMessages"] for request in bench.sqs.calls.requests(RECEIVE)} == {3}


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f30a"])
def test_the_bytes_are_bounded_up_to_one_receive(letter: str) -> None:
    bench = SteppedReader(max_bytes=100_000, max_messages=1000)
    size = len(letter.encode())
    bench.send(*[letter * (3_000 // size)] * 100)
    # four receives of ten times 3,000 bytes
    assert fill_up(bench) == 4
    assert bench.reader.receiving.buffered_bytes == 120_000
    bench.take(6)
    assert fill_up(bench) == 0
    bench.take(1)
    assert fill_up(bench) == 1


def test_attributes_count_too() -> None:
    bench = SteppedReader()
    bench.sqs.client.send_message(
        QueueUrl=bench.url,
        MessageBody="body",
        MessageAttributes={"trace_id": {"DataType": "String", "StringValue": "t-1"}},
    )
    bench.fill()
    assert bench.reader.receiving.buffered_bytes == len("body" + "trace_id" + "t-1")
    bench.take()
    assert bench.reader.receiving.buffered_bytes == 0


def test_the_buffer_is_a_metric(bench: SteppedReader) -> None:
    bench.send("four")
    bench.fill()
    assert bench.registry.get_sample_value("queue_reader_buffered_bytes", {"queue": "posts"}) == 4


def test_what_lies_in_the_buffer_is_hidden_and_what_ran_out_there_is_not_handed_out(bench: SteppedReader) -> None:
    bench.send("a", "b")
    bench.fill()
    bench.clock.advance(60)
    assert bench.take() == []
    assert bench.count("claims_lost") == 2
    assert bench.reader.receiving.buffered_bytes == 0
    bench.fill()
    assert [message.receive_count for message in bench.take()] == [2, 2]


# The same message again


def test_a_message_that_is_in_hand_is_not_handed_out_again(bench: SteppedReader) -> None:
    bench.sqs.faults.on(RECEIVE, Receives(duplicates=2))
    messages = bench.receive("a", "b", "c")
    bench.fill()
    assert bench.take() == []
    assert (bench.count("messages_received"), bench.count("messages_received_again")) == (5, 2)
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == ["a", "b", "c"]


def test_a_message_that_is_in_the_buffer_is_handed_out_once(bench: SteppedReader) -> None:
    bench.sqs.faults.on(RECEIVE, Receives(duplicates=1))
    bench.send("a")
    bench.fill()
    bench.fill()
    assert [message.body for message in bench.take()] == ["a"]
    assert bench.take() == []
    assert bench.count("messages_received_again") == 1


def test_a_message_given_back_with_its_newest_receipt_is_visible(bench: SteppedReader) -> None:
    messages = bench.receive("a")
    bench.clock.advance(60)
    bench.fill()
    bench.reader.give_back(messages)
    assert bench.sqs.visible("posts") == ["a"]


def test_waiting_times_are_observed_for_each_receive(bench: SteppedReader) -> None:
    bench.send("a", "b")
    bench.clock.advance(20)
    bench.send("c")
    bench.fill()
    sample = bench.registry.get_sample_value
    assert sample("queue_wait_seconds_count", {"queue": "posts"}) == 3
    assert sample("queue_wait_seconds_sum", {"queue": "posts"}) == 40
    assert sample("queue_wait_seconds_bucket", {"queue": "posts", "le": "0.01"}) == 1


# What stops receiving


def test_while_paused_nothing_is_received_and_the_buffer_is_held_and_handed_out(bench: SteppedReader) -> None:
    bench.send(*NUMBERS[:15])
    bench.fill()
    bench.reader.pause()
    assert fill_up(bench) == 0
    bench.pass_time(600)
    assert bench.receive_elsewhere() == NUMBERS[10:15]
    assert [message.body for message in bench.take()] == NUMBERS[:10]
    bench.reader.resume()
    assert bench.reader.receiving.is_wanted()


@pytest.mark.parametrize(
    "fault",
    [
        NeverArrives(),
        REQUEST_THROTTLED,
        ACCESS_DENIED,
        EXPIRED_TOKEN,
        Refuses("OverLimit"),
        LosesAnswer(by_silence=True),
    ],
    ids=str,
)
def test_trouble_is_waited_out_with_backoff_and_told_once(
    bench: SteppedReader, log: RecordingLog, fault: Refuses
) -> None:
    bench.send("a")
    bench.sqs.faults.on(RECEIVE, fault, times=5)
    for _ in range(5):
        assert 0.5 <= bench.fill() <= 1.0
        assert bench.reader.state.trouble() is not None
    bench.clock.advance(60)
    bench.fill()
    assert [message.body for message in bench.take()] == ["a"]
    assert log.events == ["cannot be reached, trying again", "reachable again"]
    assert bench.reader.state.trouble() is None


def test_a_queue_that_vanished_and_is_back_is_received_from(bench: SteppedReader, log: RecordingLog) -> None:
    bench.sqs.client.delete_queue(QueueUrl=bench.url)
    bench.fill()
    assert "does not exist" in (bench.reader.state.trouble() or "")
    bench.clock.advance(61)
    bench.sqs.make_queue("posts")
    bench.receive("a")
    assert log.events == ["cannot be reached, trying again", "reachable again"]


def test_a_purged_queue_is_received_from(bench: SteppedReader) -> None:
    bench.send("a")
    bench.sqs.client.purge_queue(QueueUrl=bench.url)
    bench.fill()
    bench.receive("b")


def test_a_queue_that_gives_nothing_at_once_is_not_asked_in_a_tight_loop(bench: SteppedReader) -> None:
    assert bench.fill() > 0


def test_trouble_at_the_stop_is_not_worth_a_word(bench: SteppedReader, log: RecordingLog) -> None:
    go_on = threading.Event()
    bench.sqs.faults.on(RECEIVE, Waits(go_on))
    receiving = threading.Thread(target=bench.fill, daemon=True)
    receiving.start()
    bench.sqs.calls.wait_for(RECEIVE, 1)
    bench.sqs.client.delete_queue(QueueUrl=bench.url)
    bench.stopping.set()
    go_on.set()
    receiving.join(5)
    assert log.events == []


# The stop


def test_after_the_stop_nothing_is_received_or_handed_out(bench: SteppedReader) -> None:
    bench.send(*NUMBERS)
    bench.fill()
    bench.stopping.set()
    assert fill_up(bench) == 0
    assert bench.take() == []


def test_what_a_receive_brings_after_the_end_is_visible_at_once(bench: SteppedReader) -> None:
    go_on = threading.Event()
    bench.sqs.faults.on(RECEIVE, Waits(go_on))
    bench.send("a", "b")
    receiving = threading.Thread(target=bench.fill, daemon=True)
    receiving.start()
    bench.sqs.calls.wait_for(RECEIVE, 1)
    bench.reader.receiving.end()
    go_on.set()
    receiving.join(5)
    assert sorted(bench.sqs.visible("posts")) == ["a", "b"]
    assert bench.take() == []


def test_what_a_receive_brings_again_after_the_end_stays_with_its_owner(bench: SteppedReader) -> None:
    messages = bench.receive("a")
    bench.clock.advance(60)
    bench.send("b")
    bench.reader.receiving.end()
    bench.fill()
    assert bench.sqs.visible("posts") == ["b"]
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == ["a"]


# The thread


@pytest.fixture
def thread(bench: SteppedReader) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=bench.reader.receiving.run, daemon=True)
    thread.start()
    yield thread
    bench.reader.receiving.end()
    thread.join(5)
    assert not thread.is_alive()


def test_a_full_buffer_stops_the_thread_and_room_lets_it_go_on(bench: SteppedReader, thread: threading.Thread) -> None:
    bench.send(*NUMBERS)
    wait_until(lambda: bench.count("messages_received") == 30, "the buffer to be full")
    taken = [message.body for message in bench.take(25)]
    wait_until(lambda: bench.count("messages_received") == 50, "the room to be filled")
    while len(taken) < 100:
        taken += [message.body for message in bench.reader.receive(timeout=5.0)]
    assert taken == NUMBERS


def test_a_resume_wakes_a_thread_that_was_paused(bench: SteppedReader) -> None:
    bench.reader.pause()
    bench.send("a")
    thread = threading.Thread(target=bench.reader.receiving.run, daemon=True)
    thread.start()
    assert bench.reader.receive(timeout=0.05) == []
    assert bench.calls(RECEIVE) == 0
    bench.reader.resume()
    assert [message.body for message in bench.reader.receive(timeout=5.0)] == ["a"]
    bench.reader.receiving.end()
    thread.join(5)
    assert not thread.is_alive()


def test_the_end_wakes_a_thread_that_waits(bench: SteppedReader, thread: threading.Thread) -> None:
    bench.send(*NUMBERS)
    wait_until(lambda: bench.count("messages_received") == 30, "the buffer to be full")
    bench.reader.receiving.end()
    thread.join(5)
    assert not thread.is_alive()


def test_a_thread_that_deletions_hold_up_goes_on_after_them(
    bench: SteppedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.queue_reader, "MANY", 1)
    monkeypatch.setattr(pipeline.receive_ahead, "_LOOK_AGAIN", 0.005)
    bench.reader.delete(bench.receive("a"))
    bench.send("b")
    before = bench.calls(RECEIVE)
    thread = threading.Thread(target=bench.reader.receiving.run, daemon=True)
    thread.start()
    thread.join(0.05)
    assert bench.calls(RECEIVE) == before
    bench.delete_waiting()
    assert [message.body for message in bench.reader.receive(timeout=5.0)] == ["b"]
    bench.reader.receiving.end()
    thread.join(5)


def test_all_who_wait_share_what_one_receive_brings(bench: SteppedReader) -> None:
    got: list[str] = []

    def own() -> None:
        got.extend(message.body for message in bench.reader.receive(limit=2, timeout=30.0))

    owners = [threading.Thread(target=own, daemon=True) for _ in range(5)]
    for owner in owners:
        owner.start()
    bench.send(*NUMBERS[:10])
    bench.fill()
    for owner in owners:
        owner.join(5)
    assert sorted(got) == NUMBERS[:10]


def test_the_end_wakes_all_who_wait(bench: SteppedReader) -> None:
    owners = [threading.Thread(target=bench.reader.receive, args=(10, 3600.0), daemon=True) for _ in range(3)]
    for owner in owners:
        owner.start()
    bench.reader.receiving.end()
    for owner in owners:
        owner.join(5)
    assert not any(owner.is_alive() for owner in owners)
