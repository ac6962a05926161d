"""One gate for all senders: who may send after a failure, and whose word counts."""

import math
import random

import pytest

from pipeline.backoff import Backoff
from pipeline.sending_gate import SendingGate
from tests.support.fake_sqs import FakeClock


class Waits(Backoff):
    """Waits of 1, 2, 3 … seconds, which are easy to tell apart."""

    def __init__(self) -> None:
        super().__init__(1.0, 1.0, random.Random(1))
        self._last = 0.0

    def next(self) -> float:
        self._last += 1.0
        return self._last

    def reset(self) -> None:
        self._last = 0.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gate(clock: FakeClock) -> SendingGate:
    return SendingGate(Waits(), clock)


def test_an_open_gate_lets_any_number_through(gate: SendingGate) -> None:
    tickets = [gate.enter() for _ in range(5)]
    assert gate.seconds_shut() == 0
    assert [gate.leave(ticket, True) for ticket in tickets] == [True] * 5
    assert gate.is_open


def test_a_failure_shuts_it_for_everybody_and_longer_each_time(gate: SendingGate, clock: FakeClock) -> None:
    gate.leave(gate.enter(), False)
    assert (gate.is_open, gate.seconds_shut()) == (False, 1)
    clock.now += 0.75
    assert gate.seconds_shut() == 0.25
    clock.now += 0.25
    gate.leave(gate.enter(), False)
    assert gate.seconds_shut() == 2


def test_after_the_wait_one_request_probes_and_the_others_wait_for_its_end(gate: SendingGate, clock: FakeClock) -> None:
    gate.leave(gate.enter(), False)
    clock.now += 1
    probe = gate.enter()
    assert gate.seconds_shut() == math.inf
    clock.now += 1000
    assert gate.seconds_shut() == math.inf
    gate.leave(probe, True)
    assert (gate.is_open, gate.seconds_shut()) == (True, 0)


def test_the_first_wait_after_a_success_is_a_short_one_again(gate: SendingGate, clock: FakeClock) -> None:
    for wait in (1, 2):
        gate.leave(gate.enter(), False)
        clock.now += wait
    gate.leave(gate.enter(), True)
    gate.leave(gate.enter(), False)
    assert gate.seconds_shut() == 1


def test_requests_that_were_under_way_when_it_shut_do_not_count(gate: SendingGate, clock: FakeClock) -> None:
    first, second, third = gate.enter(), gate.enter(), gate.enter()
    assert gate.leave(first, False) is True
    assert gate.leave(second, False) is False
    assert gate.seconds_shut() == 1, "one outage must not be counted by each sender"
    assert gate.leave(third, True) is False
    assert not gate.is_open
    clock.now += 1
    probe = gate.enter()
    assert gate.leave(probe, True) is True


def test_a_late_answer_does_not_end_the_probing(gate: SendingGate, clock: FakeClock) -> None:
    early, failing = gate.enter(), gate.enter()
    gate.leave(failing, False)
    clock.now += 1
    gate.enter()
    gate.leave(early, False)
    assert gate.seconds_shut() == math.inf


def test_an_answer_that_says_nothing_hands_the_probe_to_the_next(gate: SendingGate, clock: FakeClock) -> None:
    gate.leave(gate.enter(), False)
    clock.now += 1
    assert gate.leave(gate.enter(), None) is True
    assert (gate.is_open, gate.seconds_shut()) == (False, 0)
    gate.enter()
    assert gate.seconds_shut() == math.inf


def test_an_answer_that_says_nothing_leaves_an_open_gate_open(gate: SendingGate) -> None:
    gate.leave(gate.enter(), None)
    assert (gate.is_open, gate.seconds_shut()) == (True, 0)
