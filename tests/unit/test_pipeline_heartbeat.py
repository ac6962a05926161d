"""The heartbeat on a strict stand-in of SQS, whose clock the tests move: nobody else gets what is held."""

import threading
from collections.abc import Callable

import pytest

import pipeline.connection_state
import pipeline.reader_metrics
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log
from tests.support.stepped_reader import SteppedReader
from tests.support.strict_sqs.faults import ACCESS_DENIED, EntryFails, LosesAnswer, Refuses, Waits

HIDE = "ChangeMessageVisibilityBatch"
EXPIRED = "receipts expired, the messages come again"
HOUR = 3600.0


@pytest.fixture
def bench() -> SteppedReader:
    return SteppedReader()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state, pipeline.reader_metrics)


def test_short_work_causes_no_call(bench: SteppedReader) -> None:
    for number in range(20):
        messages = bench.receive(*(f"{number}-{each}" for each in range(10)))
        bench.pass_time(30)
        bench.reader.delete(messages)
        bench.delete_waiting()
    assert bench.calls(HIDE) == 0


@pytest.mark.parametrize("where", ["in hand", "in the buffer"])
def test_a_message_stays_hidden_from_others_however_long_it_is_held(bench: SteppedReader, where: str) -> None:
    if where == "in hand":
        messages = bench.receive("a")
        bench.pass_time(11 * HOUR)
    else:
        bench.send("a")
        bench.fill()
        bench.pass_time(11 * HOUR)
        messages = bench.take()
    assert bench.receive_elsewhere() == []
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == ["a"]
    assert bench.count("claims_lost") == 0


def test_ten_messages_are_prolonged_by_one_call(bench: SteppedReader) -> None:
    for start in (0, 10, 20):
        bench.receive(*(str(start + number) for number in range(10)))
    bench.pass_time(100)
    assert bench.receive_elsewhere() == []
    # twice each: at 40 s, and at 80
    assert bench.prolongations() == 6


def test_messages_that_came_one_by_one_are_prolonged_together_too(bench: SteppedReader) -> None:
    for number in range(10):
        bench.receive(str(number))
        bench.pass_time(2)
    bench.pass_time(25)
    assert bench.receive_elsewhere() == []
    assert bench.prolongations() == 1


def test_an_hour_of_work_costs_a_dozen_calls(bench: SteppedReader) -> None:
    bench.receive("a")
    bench.pass_time(HOUR)
    assert bench.receive_elsewhere() == []
    assert bench.prolongations() <= 15


def test_after_nearly_twelve_hours_the_claim_is_lost_and_said_once(bench: SteppedReader, log: RecordingLog) -> None:
    messages = bench.receive("a")
    bench.pass_time(12 * HOUR + 100)
    assert log.events == [EXPIRED]
    assert bench.count("claims_lost") == 1
    assert bench.receive_elsewhere() == ["a"]
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == []
    assert log.events == [EXPIRED]
    assert bench.count("claims_lost") == 1


def test_a_refused_receipt_is_not_prolonged_again_and_said_once(bench: SteppedReader, log: RecordingLog) -> None:
    bench.receive("a", "b")
    bench.sqs.faults.on_entries(HIDE, EntryFails("ReceiptHandleIsInvalid", sender_fault=True))
    bench.pass_time(300)
    requests = bench.sqs.calls.requests(HIDE)
    assert [len(request["Entries"]) for request in requests] == [2, *[1] * (len(requests) - 1)]
    assert log.events == [EXPIRED]
    assert log.lines[0][2] == {"queue": "posts", "messages": 1}
    assert bench.count("claims_lost") == 1


@pytest.mark.parametrize(
    "failure",
    [EntryFails("InternalError"), EntryFails("RequestThrottled", sender_fault=True), EntryFails(happened=True)],
    ids=["server", "throttled", "done all the same"],
)
def test_an_entry_that_fails_is_tried_again_before_its_time_is_over(bench: SteppedReader, failure: EntryFails) -> None:
    bench.receive("a")
    bench.sqs.faults.on_entries(HIDE, failure, times=3)
    bench.pass_time(200)
    assert bench.receive_elsewhere() == []
    assert bench.count("claims_lost") == 0


@pytest.mark.parametrize("fault", [ACCESS_DENIED, LosesAnswer(), LosesAnswer(by_silence=True)])
def test_a_call_that_fails_is_tried_again_and_said_once(
    bench: SteppedReader, log: RecordingLog, fault: Refuses | LosesAnswer
) -> None:
    bench.receive("a")
    bench.sqs.faults.on(HIDE, fault, times=3)
    bench.pass_time(200)
    assert bench.receive_elsewhere() == []
    assert bench.count("claims_lost") == 0
    assert log.events == ["cannot be reached, trying again", "reachable again"]


def test_in_an_outage_longer_than_the_timeout_claims_lapse_and_the_heartbeat_gives_up(
    bench: SteppedReader, log: RecordingLog
) -> None:
    bench.receive("a")
    bench.send("b")
    bench.fill()
    with bench.sqs.faults.out_of_reach():
        bench.pass_time(300)
        assert bench.calls(HIDE) == 4
    assert bench.count("claims_lost") == 2
    assert bench.take() == []
    assert bench.receive_elsewhere() == ["a", "b"]


def test_a_message_deleted_while_the_heartbeats_call_was_under_way_is_no_loss(
    bench: SteppedReader, log: RecordingLog
) -> None:
    messages = bench.receive("a")
    go_on = threading.Event()
    bench.sqs.faults.on(HIDE, Waits(go_on))
    bench.clock.advance(40)
    beating = threading.Thread(target=bench.beat, daemon=True)
    beating.start()
    bench.sqs.calls.wait_for(HIDE, 1)
    bench.reader.delete(messages)
    bench.delete_waiting()
    go_on.set()
    beating.join(5)
    assert bench.deleted() == ["a"]
    assert (log.events, bench.count("claims_lost")) == ([], 0)


def test_a_closed_reader_prolongs_nothing(bench: SteppedReader) -> None:
    bench.receive("a")
    bench.clock.advance(50)
    bench.reader.close()
    bench.beat()
    assert bench.prolongations() == 0


def test_whoever_waits_for_a_call_waits_for_those_of_its_messages_only(bench: SteppedReader) -> None:
    bench.receive("a")
    go_on = threading.Event()
    bench.sqs.faults.on(HIDE, Waits(go_on))
    bench.clock.advance(40)
    beating = threading.Thread(target=bench.beat, daemon=True)
    beating.start()
    bench.sqs.calls.wait_for(HIDE, 1)
    (other,) = bench.receive("b")
    bench.reader.give_back([other])
    assert bench.sqs.visible("posts") == ["b"]
    go_on.set()
    beating.join(5)


# The thread


@pytest.fixture
def run(bench: SteppedReader, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], threading.Thread]:
    """Starts the heartbeat's loop in a real thread, which looks at the clock every few milliseconds."""
    monkeypatch.setattr("pipeline.heartbeat._LOOK", 0.005)

    def start(on_stop: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=bench.reader.heartbeat.run, args=(bench.stopping, on_stop), daemon=True)
        thread.start()
        return thread

    return start


def test_the_thread_beats_goes_on_after_the_stop_and_ends_with_the_reader(
    bench: SteppedReader, run: Callable[[Callable[[], None]], threading.Thread]
) -> None:
    bench.receive("a")
    stopped: list[bool] = []
    thread = run(lambda: stopped.append(True))
    bench.clock.advance(40)
    bench.sqs.calls.wait_for(HIDE, 1)
    bench.stopping.set()
    wait_until(lambda: stopped, "the stop to be noticed")
    bench.clock.advance(40)
    bench.sqs.calls.wait_for(HIDE, 2)
    bench.reader.close()
    thread.join(5)
    assert not thread.is_alive()
    assert stopped == [True]


def test_the_thread_ends_with_a_reader_that_is_closed_without_a_stop(
    bench: SteppedReader, run: Callable[[Callable[[], None]], threading.Thread]
) -> None:
    stopped: list[bool] = []
    thread = run(lambda: stopped.append(True))
    bench.reader.close()
    thread.join(5)
    assert not thread.is_alive()
    assert stopped == []
