"""Flush, the end with several senders, and what a crash does: every owner is told, once."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

import pipeline.queue_writer
from pipeline.acceptance import Acceptance
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable, WriterClosed, WriterCrashed
from pipeline.queue_writer import QueueWriter
from pipeline.watchdog import STEP_SECONDS
from tests.support.fake_sqs import FakeSqs, client_error
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


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What threads crashed by; Lifecycle learns of it in the same way, and ends the process.

    Name it before ``make_writer``, so that it is there until the writer's threads have ended.
    """
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda hook: seen.append(hook.exc_value))
    return seen


# Flush


def test_flush_is_over_when_all_that_was_put_before_is_settled_and_owners_know(
    sqs: FakeSqs, make_writer: MakeWriter
) -> None:
    writer = make_writer(2)
    told: list[str] = []
    for body in numbers(25):
        writer.put(body).add_done_callback(lambda _done, body=body: told.append(body))  # type: ignore[misc]
    refused = writer.put("refused \uffff")
    assert writer.flush(SOON)
    assert Counter(told) == Counter(numbers(25))
    assert isinstance(refused.exception(0), Unsendable)


def test_flush_waits_for_what_is_under_way(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(1)
    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(10))
    sqs.wait_for_calls("send_message_batch", 1)
    assert writer.flush(0.02) is False
    sqs.faults.gate.set()
    assert writer.flush(SOON) is True
    assert all(acceptance.done() for acceptance in acceptances.values())


def test_flush_does_not_wait_for_what_is_put_after_it_began(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    writer = make_writer(1)
    hold_back(sqs, writer)
    put_all(writer, *numbers(10))
    flushed: list[bool] = []
    flushing = threading.Thread(target=lambda: flushed.append(writer.flush(SOON)))
    sqs.wait_for_calls("send_message_batch", 1)
    flushing.start()
    wait_until(lambda: writer._buffer.unsettled()[0].acceptance._callbacks, "the flush to wait")
    later = writer.put("later")
    sqs.faults.gate.set()
    flushing.join(SOON)
    assert flushed == [True]
    assert not later.done()


def test_flush_gives_those_that_wait_for_another_try_one_at_once(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    failing = [("InternalError", False)]
    sqs.faults.of_entry = lambda _operation, entry: failing.pop() if failing and entry["MessageBody"] == "bad" else None
    writer = make_writer(2, backoff=Backoff(NEVER, NEVER, random.Random(1)))
    acceptances = put_all(writer, "bad", *numbers(9))
    acceptances["m0"].result(SOON)
    assert not acceptances["bad"].done()
    assert writer.flush(SOON)
    assert acceptances["bad"].exception(0) is None


def test_flush_of_an_empty_writer_is_over_at_once(make_writer: MakeWriter) -> None:
    assert make_writer(0).flush(0.0) is True


def test_flush_during_an_outage_ends_in_time(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    sqs.faults.outage = True
    writer = make_writer(2, backoff=Backoff(NEVER, NEVER, random.Random(1)))
    put_all(writer, "a")
    assert writer.flush(0.02) is False


def test_close_gives_those_that_wait_for_another_try_one_at_once(sqs: FakeSqs, make_writer: MakeWriter) -> None:
    sqs.faults.of_entry = poison("bad")
    writer = make_writer(2, backoff=Backoff(NEVER, NEVER, random.Random(1)))
    acceptances = put_all(writer, "bad", *numbers(9))
    acceptances["m0"].result(SOON)
    sqs.faults.of_entry = lambda _operation, _entry: None
    assert writer.close(SOON) is True
    assert acceptances["bad"].exception(0) is None


# Crashes


def test_a_crash_of_a_sender_is_told_to_every_owner_and_to_the_process(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    real = sqs.send_message_batch
    sqs.send_message_batch = lambda **request: real(**request) and {"Successful": [{"Id": "no number"}]}  # type: ignore[method-assign]
    writer = make_writer(2)
    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(35))
    sqs.faults.gate.set()
    for acceptance in acceptances.values():
        error = acceptance.exception(SOON)
        assert isinstance(error, WriterCrashed)
        assert str(error).startswith("the writer of queue posts crashed: ValueError(")
        assert isinstance(error.__cause__, ValueError)
    with pytest.raises(WriterCrashed, match="no number"):
        writer.put("later")
    wait_until(lambda: "crashed" in (writer.state.trouble() or ""), "readiness to tell of the crash")
    wait_until(lambda: crashes, "the process to learn of the crash")
    assert {type(crash) for crash in crashes} == {ValueError}
    assert writer.close(SOON) is False


def test_a_producer_that_waits_for_room_learns_of_a_crash(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    real = sqs.send_message_batch
    sqs.send_message_batch = lambda **request: real(**request) and {"Successful": [{"Id": "no number"}]}  # type: ignore[method-assign]
    writer = make_writer(1, linger_seconds=0.0, max_buffered_bytes=1)
    hold_back(sqs, writer)
    put_all(writer, "a")
    raised: list[Exception] = []

    def produce() -> None:
        try:
            writer.put("b")
        except WriterCrashed as error:
            raised.append(error)

    producer = threading.Thread(target=produce)
    producer.start()
    wait_until(lambda: len(writer._changed._waiters) == 1, "the producer to wait")  # type: ignore[attr-defined]
    sqs.faults.gate.set()
    producer.join(SOON)
    assert [type(error) for error in raised] == [WriterCrashed]


def test_what_another_sender_has_under_way_at_a_crash_is_told_as_it_is(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    """Of two requests under way the first crashes its sender; the second is accepted but for one message."""
    real = sqs.send_message_batch
    crashed = threading.Event()

    def answer(**request: Any) -> Any:
        answer = real(**request)
        if "m0" in [entry["MessageBody"] for entry in request["Entries"]]:
            return {"Successful": [{"Id": "no number"}]}
        assert crashed.wait(SOON)
        return answer

    sqs.send_message_batch = answer  # type: ignore[method-assign]
    sqs.faults.of_entry = poison("m15")
    writer = make_writer(2)
    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(20))
    sqs.wait_for_calls("send_message_batch", 2)
    sqs.faults.gate.set()
    assert isinstance(acceptances["m0"].exception(SOON), WriterCrashed)
    assert not acceptances["m10"].done()
    crashed.set()
    errors = {body: acceptances[body].exception(SOON) for body in numbers(20)[10:]}
    assert isinstance(errors.pop("m15"), WriterCrashed)
    assert set(errors.values()) == {None}
    assert writer.close(SOON) is False
    assert "crashed" in (writer.state.trouble() or "")


def test_a_crash_of_an_owner_who_is_told_crashes_the_writer_and_each_owner_is_told_once(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = record_log(monkeypatch, pipeline.queue_writer)
    told: Counter[str] = Counter()

    def crashing(_acceptance: Acceptance) -> None:
        raise LookupError("a bug of the owner")

    writer = make_writer(2)
    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(20))
    acceptances["m3"].add_done_callback(crashing)
    for body, acceptance in acceptances.items():
        acceptance.add_done_callback(lambda _done, body=body: told.update([body]))  # type: ignore[misc]
    sqs.faults.gate.set()
    for body in numbers(20):
        acceptances[body].wait(SOON)
    assert acceptances["m3"].exception(0) is None
    assert isinstance(acceptances["m9"].exception(0), WriterCrashed)
    assert told == Counter(numbers(20))
    wait_until(lambda: crashes, "the process to learn of the crash")
    assert {type(crash) for crash in crashes} == {LookupError}
    assert log.lines == []


def test_a_message_that_goes_again_when_its_last_sender_crashes_is_the_next_senders(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    failing = [("InternalError", False)]
    sqs.faults.of_entry = lambda _operation, entry: failing.pop() if failing and entry["MessageBody"] == "m1" else None
    writer = make_writer(2)

    def crash_once_the_other_is_under_way(_done: Acceptance) -> None:
        sqs.wait_for_a_call_at_the_gate()
        raise LookupError("a bug of the owner")

    hold_back(sqs, writer)
    acceptances = put_all(writer, *numbers(10))
    acceptances["m0"].add_done_callback(crash_once_the_other_is_under_way)
    sqs.wait_for_a_call_at_the_gate()
    sqs.held_at_gate = 0

    def hold_the_next(operation: str, _request: Mapping[str, Any]) -> None:
        sqs.faults.gate.clear()

    sqs.faults.of_call = hold_the_next
    sqs.faults.gate.set()
    assert isinstance(acceptances["m9"].exception(SOON), WriterCrashed)
    wait_until(lambda: crashes, "the process to learn of the crash")
    sqs.faults.gate.set()
    assert acceptances["m1"].exception(SOON) is None
    assert writer.close(SOON) is False
    assert [type(crash) for crash in crashes] == [LookupError]


def test_an_owner_who_crashes_when_told_of_the_end_keeps_no_other_from_being_told(
    sqs: FakeSqs, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = record_log(monkeypatch, pipeline.queue_writer)
    writer = make_writer(0)
    acceptances = put_all(writer, "a", "b")
    acceptances["a"].add_done_callback(lambda _done: [].pop())
    assert writer.close(0.0) is False
    assert isinstance(acceptances["b"].exception(0), WriterClosed)
    assert [level for level, _, _ in log.lines] == ["exception", "error"]


def test_a_message_that_was_put_back_before_a_crash_is_told_once(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    answers = iter([client_error("InvalidMessageContents"), client_error("InternalError")])

    def crash_at_the_third(**_request: Any) -> Any:
        if error := next(answers, None):
            raise error
        return {"Successful": [{"Id": "not a number"}]}

    sqs.send_message_batch = crash_at_the_third  # type: ignore[method-assign]
    writer = make_writer(2)
    told: list[BaseException | None] = []
    for body in "ab":
        writer.put(body).add_done_callback(lambda done: told.append(done.exception()))
    assert writer.flush(SOON)
    assert [type(error) for error in told] == [WriterCrashed] * 2
    assert writer.close(SOON) is False


def test_a_thread_that_is_told_to_exit_is_a_crash_too(
    sqs: FakeSqs, crashes: list[BaseException | None], make_writer: MakeWriter
) -> None:
    def leave(**_request: Any) -> Any:
        raise SystemExit(3)

    sqs.send_message_batch = leave  # type: ignore[method-assign]
    writer = make_writer(2, linger_seconds=0.0)
    wait_until(lambda: len(writer._work._waiters) == 2, "both senders to wait")  # type: ignore[attr-defined]
    assert isinstance(writer.put("a").exception(SOON), WriterCrashed)
    with pytest.raises(WriterCrashed):
        writer.put("b")
    # a sender that nobody wakes looks by itself only after the watchdog's step
    wait_until(lambda: not any(thread.is_alive() for thread in writer._threads), "the other's end", STEP_SECONDS / 2)
