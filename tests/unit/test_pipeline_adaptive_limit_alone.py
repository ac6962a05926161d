"""A call that is to be alone: it waits for all others, and they for it."""

import threading
from contextlib import ExitStack

from pipeline.adaptive_limit import AdaptiveLimit, Slot
from tests.support.polling import wait_until


class Caller:
    """One call in a thread of its own, until ``end``."""

    def __init__(self, limit: AdaptiveLimit, *, alone: bool = False) -> None:
        self.slot: Slot | None = None
        self.has_ended = False
        self.stopping = threading.Event()
        self._limit = limit
        self._alone = alone
        self._end = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def begun(self) -> "Caller":
        wait_until(lambda: self.slot is not None, "the call to begin")
        return self

    def waits(self) -> bool:
        """For several looks of one that waits."""
        threading.Event().wait(0.15)
        return self.slot is None

    def end(self) -> None:
        self._end.set()
        wait_until(lambda: self.has_ended, "the call to end")

    def _run(self) -> None:
        with self._limit.slot(self.stopping, alone=self._alone) as slot:
            self.slot = slot
            if slot:
                self._end.wait(10)
        self.has_ended = True


def test_it_waits_for_those_under_way_and_none_begins_before_it_has_ended() -> None:
    limit = AdaptiveLimit(1, 4)
    first = Caller(limit).begun()
    alone = Caller(limit, alone=True)
    assert alone.waits()
    later = Caller(limit)
    assert later.waits()
    first.end()
    alone.begun()
    assert limit.under_way == 1
    assert later.waits()
    alone.end()
    later.begun().end()
    assert limit.under_way == 0


def test_of_two_each_is_alone() -> None:
    limit = AdaptiveLimit(1, 4)
    first = Caller(limit, alone=True).begun()
    second = Caller(limit, alone=True)
    assert second.waits()
    first.end()
    second.begun().end()


def test_who_came_before_one_that_is_to_be_alone_has_his_turn_before_it() -> None:
    limit = AdaptiveLimit(1, 4)
    first = Caller(limit, alone=True).begun()
    between = Caller(limit)
    assert between.waits()
    second = Caller(limit, alone=True)
    assert second.waits()
    first.end()
    between.begun()
    assert second.waits()
    between.end()
    second.begun().end()


def test_one_that_is_stopped_while_it_waits_keeps_nobody_waiting() -> None:
    limit = AdaptiveLimit(1, 4)
    first = Caller(limit).begun()
    alone = Caller(limit, alone=True)
    assert alone.waits()
    alone.stopping.set()
    wait_until(lambda: alone.has_ended, "the stop")
    Caller(limit).begun().end()
    first.end()


def test_a_call_knows_whether_another_was_under_way_beside_it() -> None:
    limit, go = AdaptiveLimit(1, 4), threading.Event()
    with limit.slot(go) as slot:
        assert slot
        assert slot.was_alone
    with ExitStack() as first:
        one = first.enter_context(limit.slot(go))
        with limit.slot(go) as other:
            assert one
            assert other
            assert not one.was_alone
        assert not one.was_alone
        assert not other.was_alone
        with limit.slot(go) as third:
            assert third
            first.close()
            assert not third.was_alone
