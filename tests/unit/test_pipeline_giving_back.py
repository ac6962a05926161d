"""Giving back: visible at once or after its delay, whatever else goes on, and never in another's name."""

import threading

import pytest

import pipeline.connection_state
import pipeline.giving_back
import pipeline.reader_metrics
from tests.support.recording_log import RecordingLog, record_log
from tests.support.stepped_reader import SteppedReader
from tests.support.strict_sqs.faults import REQUEST_THROTTLED, EntryFails, LosesAnswer, NeverArrives, Waits

HIDE = "ChangeMessageVisibilityBatch"
NOT_GIVEN_BACK = "messages could not be given back and come again after their timeout"


@pytest.fixture
def bench() -> SteppedReader:
    return SteppedReader()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state, pipeline.giving_back, pipeline.reader_metrics)


def test_messages_are_visible_at_once_ten_by_a_call(bench: SteppedReader) -> None:
    messages = [*bench.receive(*map(str, range(10))), *bench.receive("10", "11")]
    bench.reader.give_back(messages)
    assert sorted(bench.sqs.visible("posts"), key=int) == [str(number) for number in range(12)]
    assert bench.calls(HIDE) == 2
    assert bench.count("messages_given_back") == 12


def test_giving_nothing_back_calls_nothing(bench: SteppedReader) -> None:
    bench.reader.give_back([])
    assert bench.calls(HIDE) == 0


def test_a_delay_is_kept(bench: SteppedReader) -> None:
    bench.reader.give_back(bench.receive("a"), delay_seconds=300)
    bench.clock.advance(299.9)
    assert bench.sqs.visible("posts") == []
    bench.clock.advance(0.1)
    assert bench.sqs.visible("posts") == ["a"]


@pytest.mark.parametrize("fault", [REQUEST_THROTTLED, NeverArrives(), LosesAnswer()], ids=str)
def test_a_call_that_fails_is_tried_again(bench: SteppedReader, fault: NeverArrives) -> None:
    messages = bench.receive("a", "b")
    bench.sqs.faults.on(HIDE, fault, times=2)
    bench.reader.give_back(messages)
    assert sorted(bench.sqs.visible("posts")) == ["a", "b"]
    assert bench.calls(HIDE) == 3


@pytest.mark.parametrize("failure", [EntryFails(), EntryFails("RequestThrottled", sender_fault=True)], ids=str)
def test_an_entry_that_fails_is_tried_again_alone(bench: SteppedReader, failure: EntryFails) -> None:
    messages = bench.receive("a", "b", "c")
    bench.sqs.faults.on_entries(HIDE, failure)
    bench.reader.give_back(messages)
    assert sorted(bench.sqs.visible("posts")) == ["a", "b", "c"]
    assert [len(request["Entries"]) for request in bench.sqs.calls.requests(HIDE)] == [3, 1]
    assert bench.count("messages_given_back") == 3


def test_what_fails_to_the_last_is_said_and_comes_again_after_its_timeout(
    bench: SteppedReader, log: RecordingLog
) -> None:
    messages = bench.receive("a", "b")
    with bench.sqs.faults.out_of_reach():
        bench.reader.give_back(messages)
    assert bench.calls(HIDE) == 3
    assert log.lines[-1] == ("warning", NOT_GIVEN_BACK, {"queue": "posts", "messages": 2})
    assert bench.count("messages_given_back") == 0
    bench.pass_time(100)
    assert bench.sqs.visible("posts") == ["a", "b"]


def test_a_batch_that_fails_does_not_keep_the_next_from_its_tries(bench: SteppedReader) -> None:
    messages = [*bench.receive(*map(str, range(10))), *bench.receive("10", "11")]
    unlucky = messages[0].receipt_handle
    bench.sqs.faults.on(
        HIDE,
        REQUEST_THROTTLED,
        times=None,
        where=lambda request: any(entry["ReceiptHandle"] == unlucky for entry in request["Entries"]),
    )
    bench.reader.give_back(messages)
    assert bench.sqs.visible("posts") == ["10", "11"]


def test_an_outage_is_not_waited_for_batch_by_batch(
    bench: SteppedReader, log: RecordingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that waits in vain takes 20 s a call."""
    held = [message for number in range(5) for message in bench.receive(*(f"{number}-{each}" for each in range(10)))]

    def hang(_request: object) -> bool:
        bench.clock.advance(20)
        return True

    bench.sqs.faults.on(HIDE, NeverArrives(), times=None, where=hang)
    bench.reader.give_back(held)
    assert bench.calls(HIDE) == 1
    assert log.lines[-1][2] == {"queue": "posts", "messages": 50}


def test_an_expired_receipt_is_counted_and_said_once(bench: SteppedReader, log: RecordingLog) -> None:
    messages = bench.receive("a", "b")
    bench.clock.advance(61)
    bench.reader.give_back(messages)
    bench.reader.give_back(messages)
    assert bench.calls(HIDE) == 1
    assert log.lines == [("warning", "receipts expired, the messages come again", {"queue": "posts", "messages": 2})]
    assert (bench.count("claims_lost"), bench.count("messages_given_back")) == (2, 0)


def test_a_second_try_does_not_touch_what_was_received_again_since(bench: SteppedReader) -> None:
    """The first was done, and its answer lost: the receipt of old may still be good for what is another's now."""
    messages = bench.receive("a")
    received: list[str] = []

    def lose_and_receive(_seconds: float) -> None:
        bench.fill()
        received.extend(message.body for message in bench.take())

    bench.sqs.faults.on(HIDE, LosesAnswer())
    bench.reader._giving_back._wait = lose_and_receive  # a moment that only a lucky thread would meet
    bench.reader.give_back(messages)
    assert received == ["a"]
    assert bench.calls(HIDE) == 1
    assert bench.receive_elsewhere() == []


def test_a_heartbeat_under_way_does_not_hide_what_is_given_back(bench: SteppedReader) -> None:
    messages = bench.receive("a", "b")
    go_on = threading.Event()
    bench.sqs.faults.on(HIDE, Waits(go_on))
    bench.clock.advance(40)
    beating = threading.Thread(target=bench.beat, daemon=True)
    beating.start()
    bench.sqs.calls.wait_for(HIDE, 1)
    giving_back = threading.Thread(target=bench.reader.give_back, args=(messages, 5), daemon=True)
    giving_back.start()
    giving_back.join(0.05)
    assert bench.calls(HIDE) == 1  # it waits
    go_on.set()
    giving_back.join(5)
    beating.join(5)
    bench.clock.advance(5)
    assert sorted(bench.sqs.visible("posts")) == ["a", "b"]


def test_a_heartbeat_that_hangs_is_not_waited_for_for_ever(
    bench: SteppedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.giving_back, "PATIENCE", 0.02)
    messages = bench.receive("a")
    go_on = threading.Event()
    bench.sqs.faults.on(HIDE, Waits(go_on))
    bench.clock.advance(40)
    beating = threading.Thread(target=bench.beat, daemon=True)
    beating.start()
    bench.sqs.calls.wait_for(HIDE, 1)
    bench.reader.give_back(messages)
    assert bench.sqs.visible("posts") == ["a"]
    go_on.set()
    beating.join(5)


def test_a_message_that_was_given_back_comes_again_as_a_new_delivery(bench: SteppedReader) -> None:
    (first,) = bench.receive("a")
    bench.reader.give_back([first])
    bench.fill()
    (second,) = bench.take()
    assert (second.id, second.receive_count) == (first.id, 2)
    # its first owner has nothing to say any more
    bench.reader.delete([first])
    bench.reader.give_back([first])
    bench.reader.dead_letter(first, "too late")
    bench.delete_waiting()
    assert (bench.deleted(), bench.sqs.visible("posts"), bench.sqs.bodies("posts-dlq")) == ([], [], [])
    bench.reader.delete([second])
    bench.delete_waiting()
    assert bench.deleted() == ["a"]


def test_retrying_later_waits_the_longer_the_more_often_a_message_has_come(bench: SteppedReader) -> None:
    bench.send("a", "b")
    delays: list[list[int]] = []
    for _ in range(6):
        bench.fill()
        bench.reader.retry_later(bench.take())
        entries = bench.sqs.calls.requests(HIDE)[-1]["Entries"]
        delays.append([entry["VisibilityTimeout"] for entry in entries])
        bench.clock.advance(max(delays[-1]))
    for number, each in enumerate(delays):
        assert len(each) == 2
        assert all(2.0**number <= delay <= 2.0 ** (number + 1) for delay in each)
    assert any(one != other for one, other in delays)
