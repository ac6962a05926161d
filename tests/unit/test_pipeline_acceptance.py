"""What becomes of a message that was put: asking, waiting, being told; and settling what it was put for."""

import threading
from collections.abc import Callable
from typing import ClassVar

import pytest

import pipeline.acceptance
from pipeline.acceptance import Acceptance, all_settled, settle, wait_until_settled
from pipeline.errors import Unsendable, WriterClosed, WriterCrashed
from tests.support.examples import received
from tests.support.fake_queue_ends import FakeReader
from tests.support.polling import wait_until

SOON = 5.0
#: A wait that a test must not sit out.
NEVER = 3600.0


def settled(error: Exception | None = None) -> Acceptance:
    acceptance = Acceptance()
    if error:
        acceptance.set_exception(error)
    else:
        acceptance.set_result()
    return acceptance


def in_a_thread(run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def is_waited_for(acceptance: Acceptance) -> bool:
    return bool(acceptance._callbacks)


# One acceptance


def test_it_is_done_once_it_is_known_what_became_of_the_message() -> None:
    acceptance = Acceptance()
    assert not acceptance.done()
    acceptance.set_result()
    assert acceptance.done()
    assert acceptance.exception(0) is None
    acceptance.result(0)


def test_an_error_is_returned_by_the_one_and_raised_by_the_other() -> None:
    error = Unsendable("too large")
    acceptance = settled(error)
    assert acceptance.exception(0) is error
    with pytest.raises(Unsendable, match="too large"):
        acceptance.result(0)


def test_what_does_not_become_known_in_time_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        Acceptance().exception(0.001)
    with pytest.raises(TimeoutError):
        Acceptance().result(0.001)


@pytest.mark.parametrize("error", [None, WriterClosed("closing")], ids=["accepted", "not accepted"])
def test_all_who_wait_learn_of_it(error: Exception | None) -> None:
    acceptance = Acceptance()
    learned: list[Exception | None] = []
    waiting = [in_a_thread(lambda: learned.append(acceptance.exception(NEVER))) for _ in range(3)]
    wait_until(lambda: len(acceptance._callbacks or ()) == 3, "all to wait")
    if error:
        acceptance.set_exception(error)
    else:
        acceptance.set_result()
    for thread in waiting:
        thread.join(SOON)
    assert learned == [error] * 3


def test_waits_that_end_without_an_answer_leave_nothing_behind() -> None:
    acceptance = Acceptance()
    for _ in range(100):
        assert acceptance.wait(0.0) is False
    assert not is_waited_for(acceptance)


def test_a_callback_is_called_once_with_the_acceptance_in_the_thread_that_settles_it() -> None:
    acceptance = Acceptance()
    calls: list[tuple[Acceptance, int]] = []
    acceptance.add_done_callback(lambda done: calls.append((done, threading.get_ident())))
    assert calls == []
    settling = in_a_thread(acceptance.set_result)
    settling.join(SOON)
    assert calls == [(acceptance, settling.ident)]


def test_a_callback_that_comes_late_is_called_at_once() -> None:
    calls: list[Acceptance] = []
    acceptance = settled(Unsendable("too large"))
    acceptance.add_done_callback(calls.append)
    assert calls == [acceptance]


def test_callbacks_are_called_in_their_order_and_one_that_raises_keeps_no_other_from_it() -> None:
    acceptance = Acceptance()
    calls: list[str] = []

    def crash(_done: Acceptance) -> None:
        calls.append("crash")
        raise LookupError("a bug of the owner")

    acceptance.add_done_callback(lambda _done: calls.append("before"))
    acceptance.add_done_callback(crash)
    acceptance.add_done_callback(lambda _done: calls.append("after"))
    with pytest.raises(LookupError):
        acceptance.set_result()
    assert calls == ["before", "crash", "after"]
    assert acceptance.done()


def test_a_second_word_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="settled twice"):
        settled().set_exception(WriterClosed("closing"))


# Several


def test_all_are_settled_within_the_time_or_not() -> None:
    assert all_settled([], 0.0)
    assert all_settled([settled(), settled(RuntimeError("refused"))], 0.0)
    assert not all_settled([settled(), Acceptance()], 0.001)


def test_the_time_is_for_all_together() -> None:
    now = [0.0]

    class Slow(Acceptance):
        waits: ClassVar[list[float | None]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            now[0] += 3.0
            return True

    assert all_settled([Slow(), Slow(), Slow()], 5.0, lambda: now[0])
    assert Slow.waits == [5.0, 2.0, 0.0]


def test_it_returns_at_once_when_all_are_done() -> None:
    wait_until_settled([], threading.Event())
    wait_until_settled([settled(), settled(RuntimeError("refused"))], threading.Event())


def test_it_waits_for_the_last_one_and_is_woken_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.acceptance, "_STEP", NEVER)
    last = Acceptance()
    waiting = in_a_thread(lambda: wait_until_settled([settled(), last], threading.Event()))
    wait_until(lambda: is_waited_for(last), "the wait")
    assert waiting.is_alive()
    last.set_exception(RuntimeError("refused"))
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_a_stop_ends_the_wait_for_one_that_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.acceptance, "_STEP", 0.001)
    monkeypatch.setattr(pipeline.acceptance, "_STOP_PATIENCE", 0.001)
    stopping = threading.Event()
    never, accepted = Acceptance(), Acceptance()
    waiting = in_a_thread(lambda: wait_until_settled([never, accepted], stopping))
    waiting.join(0.02)
    assert waiting.is_alive()
    stopping.set()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_a_stop_leaves_the_next_queue_some_seconds() -> None:
    stopping = threading.Event()
    stopping.set()
    last = Acceptance()
    waiting = in_a_thread(lambda: wait_until_settled([last], stopping))
    wait_until(lambda: is_waited_for(last), "the wait")
    assert waiting.is_alive()
    last.set_result()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_the_patience_fits_into_a_drain() -> None:
    assert pipeline.acceptance._STEP + pipeline.acceptance._STOP_PATIENCE < 10


# Settling what led to them


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


def test_each_message_is_settled_by_what_became_of_those_it_led_to(stopping: threading.Event) -> None:
    reader = FakeReader(stopping)
    led_to = {
        "nothing": [],
        "accepted": [settled(), settled()],
        "unsendable": [settled(), settled(Unsendable("too large")), settled(WriterClosed("closing"))],
        "closed": [settled(), settled(WriterClosed("closing"))],
    }
    settle(reader, [(received("", id_), acceptances) for id_, acceptances in led_to.items()], "alert", stopping)
    assert reader.deleted == ["nothing", "accepted"]
    assert reader.dead_letters == {"unsendable": "its alert cannot be sent: too large"}
    assert reader.given_back == {"closed": 0}


def test_after_a_crash_of_the_writer_all_is_settled_and_the_owner_ends(stopping: threading.Event) -> None:
    reader = FakeReader(stopping)
    crashed = WriterCrashed("the writer of queue alerts crashed: KeyError()")
    led_to = [
        (received("", "1"), [settled(crashed)]),
        (received("", "2"), [settled()]),
        (received("", "3"), [settled(Unsendable("too large"))]),
    ]
    with pytest.raises(WriterCrashed, match="KeyError"):
        settle(reader, led_to, "alert", stopping)
    assert (reader.given_back, reader.deleted, list(reader.dead_letters)) == ({"1": 0}, ["2"], ["3"])
