"""The breaker opens after failures in a row, lets one probe through at a time, and closes when one succeeds."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from pipeline.backoff import Backoff
from pipeline.breaker import Breaker, BreakerState, Permit
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
FIRST, LONGEST = 1.0, 8.0


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker_on(clock: Callable[[], float], failures: int = 3, *, starts_open: bool = False) -> Breaker:
    return Breaker(failures, Backoff(FIRST, LONGEST, random.Random(1)), clock, starts_open=starts_open)


def permit(breaker: Breaker) -> Permit:
    found = breaker.permit_now()
    assert found is not None
    return found


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with permit(breaker) as call:
            call.failed()


def succeed(breaker: Breaker) -> None:
    with permit(breaker) as call:
        call.succeeded()


def test_while_it_is_closed_everybody_may_call(clock: Clock) -> None:
    breaker = breaker_on(clock)
    calls = [permit(breaker) for _ in range(10)]
    assert not any(call.is_probe for call in calls)
    assert breaker.state is CLOSED


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=3)
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.state is CLOSED
    fail(breaker, 1)
    assert breaker.state is OPEN
    assert breaker.permit_now() is None


def test_a_call_left_without_a_word_is_neither(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=3)
    fail(breaker, 2)
    with permit(breaker):
        pass
    assert breaker.state is CLOSED
    fail(breaker, 1)
    assert breaker.state is OPEN


def test_a_failure_that_is_certain_opens_at_once(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=3)
    permit(breaker).failed(certain=True)
    assert breaker.state is OPEN


def test_after_its_wait_one_probe_goes_and_nobody_else(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=1)
    fail(breaker, 1)
    clock.seconds += FIRST / 2 - 0.01
    assert breaker.permit_now() is None
    clock.seconds += FIRST / 2 + 0.01
    probe = permit(breaker)
    assert probe.is_probe
    assert breaker.state is HALF_OPEN
    clock.seconds += 1000
    assert breaker.permit_now() is None


def test_a_probe_that_succeeds_closes_it_for_all(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=1)
    fail(breaker, 1)
    clock.seconds += FIRST
    succeed(breaker)
    assert breaker.state is CLOSED
    assert [permit(breaker).is_probe for _ in range(3)] == [False] * 3


def test_the_waits_grow_with_each_failed_probe_and_start_over_once_it_was_closed(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=1)

    def wait_for_probe() -> tuple[float, Permit]:
        began = clock.seconds
        while (call := breaker.permit_now()) is None:
            clock.seconds += 0.01
        return clock.seconds - began, call

    fail(breaker, 1)
    for ceiling in (1.0, 2.0, 4.0, 8.0, 8.0):
        waited, probe = wait_for_probe()
        assert ceiling / 2 <= waited <= ceiling + 0.02
        probe.failed()
    _, probe = wait_for_probe()
    probe.succeeded()
    fail(breaker, 1)
    assert wait_for_probe()[0] <= FIRST + 0.02


def test_failures_before_it_opened_do_not_count_after_it_closed(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=3)
    fail(breaker, 3)
    clock.seconds += FIRST
    succeed(breaker)
    fail(breaker, 2)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("word", ["succeeded", "failed", "certain"])
def test_calls_begun_before_it_opened_say_nothing_of_what_has_been_since(clock: Clock, word: str) -> None:
    breaker = breaker_on(clock, failures=1)
    late = [permit(breaker) for _ in range(3)]

    def tell(call: Permit) -> None:
        with call:
            call.succeeded() if word == "succeeded" else call.failed(certain=word == "certain")

    fail(breaker, 1)
    tell(late[0])
    assert breaker.state is OPEN
    clock.seconds += FIRST
    probe = permit(breaker)
    tell(late[1])
    assert breaker.state is HALF_OPEN
    probe.succeeded()
    tell(late[2])
    assert breaker.state is CLOSED


def test_a_probe_given_up_lets_the_next_try_at_once(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=1)
    fail(breaker, 1)
    clock.seconds += FIRST
    with pytest.raises(KeyError), permit(breaker):
        raise KeyError("a bug in the call")
    assert breaker.state is OPEN
    assert permit(breaker).is_probe


def test_of_several_words_the_first_counts(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=2)
    call = permit(breaker)
    call.failed()
    call.failed()
    call.failed(certain=True)
    assert breaker.state is CLOSED
    fail(breaker, 1)
    clock.seconds += FIRST
    with permit(breaker) as probe:
        probe.succeeded()
        probe.failed()
    assert breaker.state is CLOSED


def test_one_that_starts_open_begins_with_a_probe_without_a_wait(clock: Clock) -> None:
    breaker = breaker_on(clock, starts_open=True)
    assert breaker.state is OPEN
    probe = permit(breaker)
    assert probe.is_probe
    assert breaker.permit_now() is None
    probe.failed()
    assert breaker.permit_now() is None
    clock.seconds += FIRST
    succeed(breaker)
    assert breaker.state is CLOSED


def test_it_takes_at_least_one_failure(clock: Clock) -> None:
    with pytest.raises(ValueError, match="expected at least one failure"):
        breaker_on(clock, failures=0)


def test_listeners_are_told_the_state_and_then_each_change_in_order(clock: Clock) -> None:
    breaker = breaker_on(clock, failures=1)
    told: list[BreakerState] = []
    breaker.listen(told.append)
    fail(breaker, 1)
    clock.seconds += FIRST
    fail(breaker, 1)
    clock.seconds += LONGEST
    succeed(breaker)
    succeed(breaker)
    assert told == [CLOSED, OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED]


def test_the_one_that_waits_sleeps_exactly_until_it_may_probe() -> None:
    stopping = RecordedStop(ends_after=1000)
    breaker = breaker_on(lambda: sum(stopping.waits), failures=1)
    fail(breaker, 1)
    probe = breaker.wait_until_allowed(stopping)
    assert probe
    assert probe.is_probe
    (wait,) = stopping.waits
    assert FIRST / 2 <= wait <= FIRST


def test_a_stop_ends_the_wait_and_gives_no_permit() -> None:
    stopping = threading.Event()
    breaker = Breaker(1, Backoff(3600.0, 3600.0, random.Random(1)))
    fail(breaker, 1)
    found: list[Permit | None] = []
    thread = threading.Thread(target=lambda: found.append(breaker.wait_until_allowed(stopping)))
    thread.start()
    stopping.set()
    thread.join(10)
    assert found == [None]
    assert breaker.wait_until_allowed(stopping) is None


def test_after_a_stop_there_is_no_permit_from_a_closed_one_either(clock: Clock) -> None:
    stopping = threading.Event()
    stopping.set()
    assert breaker_on(clock).wait_until_allowed(stopping) is None


def test_those_that_wait_for_a_probe_follow_it(clock: Clock) -> None:
    stopping = threading.Event()
    breaker = breaker_on(clock, failures=1)
    fail(breaker, 1)
    clock.seconds += FIRST
    probe = permit(breaker)
    found: list[Permit | None] = []
    threads = [threading.Thread(target=lambda: found.append(breaker.wait_until_allowed(stopping))) for _ in range(4)]
    for thread in threads:
        thread.start()
    probe.succeeded()
    for thread in threads:
        thread.join(10)
    assert [bool(call and call.is_probe) for call in found] == [False] * 4
    assert None not in found


class AnyCourse(RuleBasedStateMachine):
    """Calls that begin, succeed, fail and are given up in any order, with time going by, held against the rules."""

    calls: Bundle[tuple[Permit, int]] = Bundle("calls")

    @initialize(failures=st.integers(1, 4), starts_open=st.booleans())
    def start(self, failures: int, starts_open: bool) -> None:
        self.clock = Clock()
        self.most = failures
        self.breaker = breaker_on(self.clock, failures, starts_open=starts_open)
        self.told: list[BreakerState] = []
        self.breaker.listen(self.told.append)
        self.probes = 0
        self.in_a_row = 0
        self.closings = 0

    @rule(target=calls)
    def begin(self) -> Any:
        state = self.breaker.state
        call = self.breaker.permit_now()
        if call is None:
            assert state is not CLOSED
            return multiple()
        assert call.is_probe is (state is OPEN)
        self.probes += call.is_probe
        assert self.probes <= 1, "two probes at once"
        return call, self.closings

    @rule()
    def after_the_longest_wait_only_a_probe_under_way_keeps_others_from_theirs(self) -> None:
        self.clock.seconds += LONGEST
        call = self.breaker.permit_now()
        if call is None:
            assert self.probes == 1
        else:
            # given up at once, so that the breaker is open again
            with call:
                assert call.is_probe is (self.breaker.state is HALF_OPEN)
            self.in_a_row = 0 if call.is_probe else self.in_a_row

    @rule(begun=consumes(calls), word=st.sampled_from(["succeeded", "failed", "certain", "nothing"]))
    def end(self, begun: tuple[Permit, int], word: str) -> None:
        call, closings = begun
        was = self.breaker.state
        counts = call.is_probe or (was is CLOSED and closings == self.closings)
        with call:
            if word == "succeeded":
                call.succeeded()
            elif word != "nothing":
                call.failed(certain=word == "certain")
        if call.is_probe:
            self.probes -= 1
            self.closings += word == "succeeded"
            self.in_a_row = 0
            assert self.breaker.state is (CLOSED if word == "succeeded" else OPEN)
        elif not counts:
            assert self.breaker.state is was
        else:
            self.in_a_row = {"succeeded": 0, "nothing": self.in_a_row}.get(word, self.in_a_row + 1)
            opens = self.in_a_row >= self.most or word == "certain"
            assert self.breaker.state is (OPEN if opens else CLOSED)
            if opens:
                self.in_a_row = 0

    @rule(seconds=st.floats(0, 2 * LONGEST))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @invariant()
    def listeners_know_the_state_and_no_change_was_left_out(self) -> None:
        if hasattr(self, "told"):
            assert self.told[-1] is self.breaker.state
            follows = {CLOSED: {OPEN}, OPEN: {HALF_OPEN}, HALF_OPEN: {OPEN, CLOSED}}
            assert all(after in follows[before] for before, after in zip(self.told, self.told[1:], strict=False))

    @invariant()
    def a_probe_is_under_way_exactly_while_it_is_half_open(self) -> None:
        if hasattr(self, "probes"):
            assert self.probes == (self.breaker.state is HALF_OPEN)


TestAnyCourse = AnyCourse.TestCase


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_threads_never_probe_two_at_a_time_and_all_recover(seed: int, failures: int) -> None:
    """A server that is down for some calls and then up; the ledger is the server's own."""
    rng = random.Random(seed)
    outage = rng.randrange(1, 12)
    breaker = Breaker(failures, Backoff(0.0002, 0.002, rng))
    lock = threading.Lock()
    probing = 0
    most_probing = 0
    calls = 0
    answered = [0] * 4
    stopping = threading.Event()

    def work(worker: int) -> None:
        nonlocal probing, most_probing, calls
        while answered[worker] < 3:
            call = breaker.wait_until_allowed(stopping)
            assert call
            with call:
                with lock:
                    probing += call.is_probe
                    most_probing = max(most_probing, probing)
                    calls += 1
                    is_up = calls > outage
                with lock:
                    probing -= call.is_probe
                if is_up:
                    call.succeeded()
                    answered[worker] += 1
                else:
                    call.failed()

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), "all workers to be answered")
    assert most_probing <= 1
    assert answered == [3] * 4
    assert breaker.state is CLOSED
