"""Several requests under way at a time, and failures that hold up no other."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError, ReadTimeoutError

import pipeline.queue_writer
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable, WriterClosed
from pipeline.queue_writer import QueueWriter
from pipeline.sqs_rules import BATCH_BYTES
from pipeline.watchdog import STEP_SECONDS, Watchdog
from tests.support.fake_sqs import URL, FakeSqs, client_error
from tests.support.polling import wait_until
from tests.support.queue_writers import NEVER, SOON, Writers, hold_back, numbers, poison, put_all
from tests.support.recording_log import record_log

MakeWriter = Callable[..., QueueWriter]


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def make_writer(sqs: FakeSqs) -> Iterator[MakeWriter]:
    writers = Writers(sqs)
    yield writers.make
    writers.close()


# Several requests under way


def test_as_many_requests_are_under_way_as_there_are_senders_and_no_more(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(3)
    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(50))
    sqs.wait_for_calls("send_message_batch", 3)
    assert [len(batch) for batch in sqs.batches()] == [10, 10, 10]
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    assert all(acceptance.exception(0) is None for acceptance in acceptances.values())
    assert Counter(sqs.bodies()) == Counter(numbers(50))


def test_a_burst_goes_in_full_batches_however_many_senders_wait(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(4)
    put_all(writer, *numbers(95))
    sqs.wait_for_calls("send_message_batch", 9)
    assert writer.flush(SOON)
    assert sorted(len(batch) for batch in sqs.batches()) == [5] + [10] * 9


def test_a_little_traffic_goes_by_one_request(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(4)
    put_all(writer, "a", "b", "c")
    assert writer.flush(SOON)
    assert sqs.batches() == [["a", "b", "c"]]


def test_each_message_lingers_for_its_own_time_only(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(0, linger_seconds=3.0)
    put_all(writer, "a")
    sqs.clock.now += 2.0
    put_all(writer, "b")
    assert not writer.send_due()
    sqs.clock.now += 1.0
    assert writer.send_due()
    put_all(writer, "c")
    sqs.clock.now += 2.9
    assert not writer.send_due()
    sqs.clock.now += 0.1
    assert writer.send_due()
    assert sqs.batches() == [["a", "b"], ["c"]]


def test_the_rest_of_a_burst_does_not_wait_for_the_sender_that_took_the_batch(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    writer = make_writer(2, linger_seconds=0.01)
    hold_back(sqs, writer)
    put_all(writer, *numbers(11))
    sqs.wait_for_calls("send_message_batch", 2, seconds=STEP_SECONDS / 2)
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    assert Counter(sqs.bodies()) == Counter(numbers(11))


def test_what_is_under_way_takes_room_in_the_buffer(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(2, linger_seconds=0.0, max_buffered_bytes=20)
    hold_back(sqs, writer)
    put_all(writer, "a" * 8)
    sqs.wait_for_calls("send_message_batch", 1)
    put_all(writer, "b" * 8)
    sqs.wait_for_calls("send_message_batch", 2)
    writer.refuse_when_full()
    assert isinstance(writer.put("c" * 8).exception(0), WriterClosed)
    put_all(writer, "d" * 4)
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    assert sorted(sqs.bodies()) == ["a" * 8, "b" * 8, "d" * 4]


def test_many_producers_and_senders_lose_and_double_nothing(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    failing = random.Random(7)
    sqs.faults.of_entry = lambda _operation, _entry: ("InternalError", False) if failing.random() < 0.05 else None
    sqs.faults.of_call = lambda operation, _request: (
        client_error("RequestThrottled") if operation == "send_message_batch" and failing.random() < 0.1 else None
    )
    writer = make_writer(4, linger_seconds=0.001, max_buffered_bytes=200)
    errors: list[BaseException | None] = []

    def produce(producer: int) -> None:
        acceptances = [writer.put(f"{producer}/{number}") for number in range(200)]
        errors.extend(acceptance.exception(30.0) for acceptance in acceptances)

    producers = [threading.Thread(target=produce, args=(producer,)) for producer in range(6)]
    for each in producers:
        each.start()
    for each in producers:
        each.join(30.0)
    assert errors == [None] * 1200
    assert Counter(sqs.bodies()) == Counter(f"{producer}/{number}" for producer in range(6) for number in range(200))
    assert writer.close(SOON) is True


def test_a_sender_that_always_has_something_to_send_shows_that_it_is_alive(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    beats: list[str] = []

    class CountedWatchdog(Watchdog):
        def beat(self) -> None:
            beats.append(threading.current_thread().name)

    writer = make_writer(1, watchdog=CountedWatchdog())
    hold_back(sqs, writer)
    put_all(writer, *numbers(10))
    sqs.wait_for_a_call_at_the_gate()
    put_all(writer, *numbers(100))
    before = len(beats)
    sqs.faults.gate.set()
    sqs.wait_for_calls("send_message_batch", 11)
    assert beats[before:].count("posts-writer-0") >= 10


def test_nothing_is_kept_of_a_message_that_is_settled(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(0)
    put_all(writer, *numbers(10))
    assert writer.send_due()
    assert (writer._buffer.unsettled(), writer._buffer.size) == ([], 0)


# Failures of one message


def test_a_message_that_fails_by_itself_is_tried_again_with_a_wait_that_doubles_and_others_pass(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    sqs.faults.of_entry = poison("bad")
    writer = make_writer(0, linger_seconds=0.0, backoff=Backoff(8.0, 32.0, random.Random(1)))
    bad = put_all(writer, "bad", *numbers(9))["bad"]
    assert writer.send_due()
    tries = [sqs.clock()]
    for second in range(1, 120):
        sqs.clock.now += 1
        good = writer.put(f"good {second}")
        assert writer.send_due()
        assert good.exception(0) is None, "it was held up by another message"
        if "bad" in sqs.batches()[-1]:
            tries.append(sqs.clock())
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    for wait, ceiling in zip(waits, (8, 16, 32, 32), strict=False):
        assert ceiling / 2 <= wait <= ceiling + 1
    assert len(waits) in (4, 5, 6)
    assert not bad.done()
    sqs.faults.of_entry = lambda _operation, _entry: None
    sqs.clock.now += 33
    assert writer.send_due()
    assert bad.exception(0) is None


def test_one_that_always_fails_does_not_make_others_wait_even_where_it_goes_by_itself(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    sqs.faults.of_entry = poison("bad")
    writer = make_writer(0, linger_seconds=0.0, backoff=Backoff(1.0, 4.0, random.Random(1)))
    put_all(writer, "bad")
    assert writer.send_due()
    assert not writer.send_due()
    for _ in range(20):
        sqs.clock.now += 4.0
        assert writer.send_due()
        good = writer.put("good")
        assert writer.send_due()
        assert good.exception(0) is None


def test_where_every_first_try_fails_the_queue_is_left_alone_for_a_while(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    sqs.faults.of_entry = lambda _operation, _entry: ("InternalError", False)
    writer = make_writer(0, backoff=Backoff(1.0, 1.0, random.Random(1)))
    put_all(writer, *numbers(40))
    assert writer.send_due()
    assert not writer.send_due()
    assert writer.state.trouble() == "InternalError it is"
    sqs.clock.now += 1.0
    assert writer.send_due()
    assert not writer.send_due()
    assert len(sqs.batches()) == 2


def test_a_message_that_failed_by_itself_is_told_with_its_trace_id_and_without_its_body(
    sqs: FakeSqs, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = record_log(monkeypatch, pipeline.queue_writer)
    sqs.faults.of_entry = poison("secret words")
    writer = make_writer(0, linger_seconds=0.0, backoff=Backoff(1.0, 1.0, random.Random(1)))
    writer.put("fine")
    writer.put("secret words", {"trace_id": "t-1"})
    for _ in range(3):
        writer.send_due()
        sqs.clock.now += 1.0
    (line,) = log.lines  # more within ten seconds would fill a disk
    values = {"queue": "posts", "reason": "InternalError it is"}
    assert line == ("warning", "a message failed by itself, trying again", values)
    assert log.trace_ids == ["t-1"]


def test_a_batch_that_is_refused_for_one_message_is_taken_apart_and_nobody_waits(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    def refuse(_operation: str, request: Mapping[str, Any]) -> Exception | None:
        bad = any(entry.get("DelaySeconds") == "soon" for entry in request["Entries"])
        return ParamValidationError(report="Invalid type for parameter Entries[3].DelaySeconds") if bad else None

    sqs.faults.of_call = refuse
    writer = make_writer(0)
    acceptances = [writer.put(body, delay_seconds=0) for body in numbers(9)]
    mistaken: Any = "soon"
    bad = writer.put("bad", delay_seconds=mistaken)
    later = put_all(writer, *(f"later {number}" for number in range(10)))
    while writer.send_due():
        pass
    assert isinstance(bad.exception(0), Unsendable)
    assert all(acceptance.exception(0) is None for acceptance in [*acceptances, *later.values()])
    assert [len(batch) for batch in sqs.batches()] == [10] + [1] * 10 + [10]


def test_an_oversized_message_does_not_hold_up_a_full_buffer(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(0, max_buffered_bytes=2)
    put_all(writer, "ab")
    assert isinstance(writer.put("c" * (BATCH_BYTES + 1)).exception(0), Unsendable)


# Failures of the whole


def test_an_outage_is_asked_about_by_one_sender_at_a_time_with_one_wait_that_grows(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    writer = make_writer(4, backoff=Backoff(NEVER, NEVER, random.Random(1)))
    hold_back(sqs, writer)
    put_all(writer, *numbers(100))
    sqs.wait_for_calls("send_message_batch", 4)
    sqs.faults.outage = True
    sqs.faults.gate.set()
    wait_until(lambda: len(writer._buffer._line) == 100, "all four requests to have failed")
    assert not writer.flush(0.05)
    assert len(sqs.batches()) == 4


def test_while_the_probe_is_under_way_no_other_request_begins(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(0, backoff=Backoff(1.0, 1.0, random.Random(1)))
    put_all(writer, *numbers(60))
    sqs.faults.outage = True
    assert writer.send_due()
    assert not writer.send_due()
    sqs.clock.now += 1.0
    sqs.faults.outage = False
    meanwhile: list[bool] = []

    def probing(_operation: str, _request: Mapping[str, Any]) -> None:
        meanwhile.append(writer.send_due())

    sqs.faults.of_call = probing
    assert writer.send_due()
    assert meanwhile == [False]
    sqs.faults.of_call = lambda _operation, _request: None
    assert [writer.send_due() for _ in range(6)] == [True] * 5 + [False]
    assert Counter(sqs.bodies()) == Counter(numbers(60))


def test_all_senders_go_on_after_an_outage(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(3)
    hold_back(sqs, writer)
    put_all(writer, *numbers(60))
    sqs.wait_for_calls("send_message_batch", 3)
    sqs.faults.outage = True
    sqs.faults.gate.set()
    sqs.wait_for_calls("send_message_batch", 6)
    sqs.faults.gate.clear()
    sqs.faults.outage = False
    before = sqs.held_at_gate
    wait_until(lambda: sqs.held_at_gate > before, "the probe")
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    assert Counter(sqs.bodies()) == Counter(numbers(60))


def test_when_the_probe_has_passed_all_senders_that_waited_send(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(3, backoff=Backoff(NEVER, NEVER, random.Random(1)), clock=sqs.clock)
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    sqs.faults.outage = True
    put_all(writer, *numbers(60))
    wait_until(lambda: len(writer._work._waiters) == 3, "all to wait for the end of the outage")  # type: ignore[attr-defined]
    sqs.clock.now += NEVER
    probes: list[str] = []

    def let_one_through(operation: str, _request: Mapping[str, Any]) -> None:
        if not probes:
            probes.append(operation)
            wait_until(lambda: len(writer._work._waiters) == 2, "the others to wait for the probe")  # type: ignore[attr-defined]
            sqs.faults.gate.clear()

    sqs.faults.of_call = let_one_through
    sqs.faults.outage = False
    held_before = sqs.held_at_gate
    assert writer.flush(0.0) is False  # wakes them, as the end of their waits would
    # a sender that nobody wakes looks by itself only after the watchdog's step
    wait_until(lambda: sqs.held_at_gate == held_before + 3, "three requests to be under way", STEP_SECONDS / 2)
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    assert Counter(sqs.bodies()) == Counter(numbers(60))


def test_an_answer_that_is_lost_leads_to_a_repeat_and_not_to_a_loss(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    real = sqs.send_message_batch
    lost = [ReadTimeoutError(endpoint_url=URL)]

    def losing(**request: Any) -> Any:
        answer = real(**request)
        if lost:
            raise lost.pop()
        return answer

    sqs.send_message_batch = losing  # type: ignore[method-assign]
    writer = make_writer(2)
    told = []
    acceptance = writer.put("a")
    acceptance.add_done_callback(lambda done: told.append(done.exception()))
    assert writer.flush(SOON)
    assert sqs.bodies() == ["a", "a"]
    assert told == [None]
