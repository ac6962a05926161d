"""The limit is kept, shrinks once for each congestion, and grows only by what was used."""

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.adaptive_limit import AdaptiveLimit, Slot
from tests.support.polling import wait_until

GO = threading.Event()


class Call:
    """A call under way."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._context: AbstractContextManager[Slot | None] = limit.slot(GO)
        slot = self._context.__enter__()
        assert slot is not None
        self.slot = slot

    def end(self, *, well: bool = True) -> None:
        error = None if well else OSError("no answer")
        self._context.__exit__(type(error) if error else None, error, None)

    def end_congested(self) -> bool:
        could_shrink = self.slot.congested()
        self.end()
        return could_shrink


def begin(limit: AdaptiveLimit, count: int) -> list[Call]:
    return [Call(limit) for _ in range(count)]


def round_trip(limit: AdaptiveLimit, *, well: bool = True) -> None:
    """As many calls at once as are allowed."""
    for call in begin(limit, limit.limit):
        call.end(well=well)


def test_it_starts_at_the_most_and_never_grows_beyond() -> None:
    limit = AdaptiveLimit(1, 4)
    for _ in range(20):
        round_trip(limit)
    assert (limit.limit, limit.under_way) == (4, 0)


def test_congestion_halves_it_down_to_the_least() -> None:
    limit = AdaptiveLimit(2, 16)
    seen = []
    for _ in range(5):
        Call(limit).end_congested()
        seen.append(limit.limit)
    assert seen == [8, 4, 2, 2, 2]


def test_all_calls_that_were_begun_before_it_shrank_are_one_congestion() -> None:
    limit = AdaptiveLimit(1, 16)
    for call in begin(limit, 16):
        call.end_congested()
    assert limit.limit == 8


def test_it_tells_when_fewer_calls_cannot_help() -> None:
    limit = AdaptiveLimit(1, 2)
    first, second = begin(limit, 2)
    assert first.end_congested()
    assert second.end_congested()
    assert limit.limit == 1
    assert not Call(limit).end_congested()
    assert not Call(limit).end_congested()


def test_a_call_begun_since_then_is_another_congestion() -> None:
    limit = AdaptiveLimit(1, 16)
    first, second = begin(limit, 2)
    first.end_congested()
    third = Call(limit)
    second.end_congested()
    assert limit.limit == 8
    third.end_congested()
    assert limit.limit == 4


def test_it_grows_by_one_a_round_trip() -> None:
    limit = AdaptiveLimit(1, 100)
    for _ in range(10):
        Call(limit).end_congested()
    assert limit.limit == 1
    for trips in range(1, 30):
        round_trip(limit)
        # a trip's calls grow it by a little less than one, for it grows while they end
        assert 1 + 0.7 * trips - 1 <= limit.limit <= 1 + trips


def test_what_is_not_used_does_not_grow() -> None:
    limit = AdaptiveLimit(1, 16)
    Call(limit).end_congested()
    for _ in range(100):
        for call in begin(limit, 7):
            call.end()
    assert limit.limit == 8
    round_trip(limit)
    assert limit.limit > 8 - 1
    for _ in range(3):
        round_trip(limit)
    assert limit.limit >= 10


def test_a_call_during_which_others_filled_the_limit_counts_as_use() -> None:
    limit = AdaptiveLimit(1, 4)
    Call(limit).end_congested()
    for _ in range(3):
        first, second = begin(limit, 2)
        second.end(well=False)
        first.end()
    assert limit.limit == 3


def test_a_call_after_others_filled_the_limit_does_not() -> None:
    limit = AdaptiveLimit(1, 4)
    Call(limit).end_congested()
    for call in begin(limit, 2):
        call.end(well=False)
    for _ in range(10):
        Call(limit).end()
    assert limit.limit == 2


def test_successes_of_calls_begun_before_it_shrank_do_not_undo_it() -> None:
    limit = AdaptiveLimit(1, 8)
    calls = begin(limit, 8)
    calls.pop().end_congested()
    for call in calls:
        call.end()
    assert limit.limit == 4


def test_an_exception_says_nothing_of_the_load() -> None:
    limit = AdaptiveLimit(1, 4)
    Call(limit).end_congested()
    for _ in range(20):
        round_trip(limit, well=False)
    assert (limit.limit, limit.under_way) == (2, 0)


def test_congestion_told_before_an_exception_shrinks_it() -> None:
    limit = AdaptiveLimit(1, 4)
    call = Call(limit)
    call.slot.congested()
    call.end(well=False)
    assert (limit.limit, limit.under_way) == (2, 0)


@pytest.mark.parametrize(("least", "most"), [(0, 4), (5, 4), (-1, -1)])
def test_bounds_must_leave_room_for_a_call(least: int, most: int) -> None:
    with pytest.raises(ValueError, match="expected a least of 1"):
        AdaptiveLimit(least, most)


@pytest.mark.parametrize("factor", [0.0, 1.0, 1.5, -0.5])
def test_a_decrease_makes_it_smaller(factor: float) -> None:
    with pytest.raises(ValueError, match="expected a factor between 0 and 1"):
        AdaptiveLimit(1, 4, factor=factor)


def test_a_stop_ends_the_wait_for_a_slot_and_takes_none() -> None:
    limit = AdaptiveLimit(1, 1)
    call = Call(limit)
    stopping = threading.Event()
    found: list[Slot | None] = []

    def wait() -> None:
        with limit.slot(stopping) as slot:
            found.append(slot)

    thread = threading.Thread(target=wait)
    thread.start()
    stopping.set()
    thread.join(10)
    assert found == [None]
    assert limit.under_way == 1
    call.end()
    with limit.slot(stopping) as slot:
        assert slot is None
    assert limit.under_way == 0


def test_one_that_waits_gets_the_slot_that_becomes_free() -> None:
    limit = AdaptiveLimit(1, 1)
    call = Call(limit)
    entered = threading.Event()

    def wait() -> None:
        with limit.slot(GO) as slot:
            assert slot
            entered.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not entered.is_set()
    call.end()
    assert entered.wait(10)
    thread.join(10)
    assert limit.under_way == 0


class AnyCourse(RuleBasedStateMachine):
    """Calls that begin and end in any order and in any way, held against the rules."""

    @initialize(least=st.integers(1, 4), more=st.integers(0, 12), factor=st.floats(0.1, 0.9))
    def start(self, least: int, more: int, factor: float) -> None:
        self.least, self.most, self.factor = least, least + more, factor
        self.limit = AdaptiveLimit(least, least + more, factor=factor)
        self.calls: list[Call] = []
        self.begun_before_last_decrease: set[Call] = set()

    @precondition(lambda self: len(self.calls) < self.limit.limit)
    @rule()
    def begin(self) -> None:
        self.calls.append(Call(self.limit))

    @precondition(lambda self: len(self.calls) >= self.limit.limit)
    @rule()
    def there_is_no_room(self) -> None:
        stopping = threading.Event()
        threading.Timer(0.0, stopping.set).start()
        with self.limit.slot(stopping) as slot:
            assert slot is None

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from(["well", "well", "well", "badly", "congested"]))
    def end(self, data: st.DataObject, how: str) -> None:
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        before = self.limit._limit
        if how == "congested":
            could_shrink = call.end_congested()
            if call in self.begun_before_last_decrease:
                assert self.limit._limit == before
                assert could_shrink
            else:
                assert self.limit._limit == max(self.least, before * self.factor)
                assert could_shrink is (before > self.least)
                self.begun_before_last_decrease = set(self.calls)
        else:
            call.end(well=how == "well")
            assert before <= self.limit._limit <= before + 1 / before
            if how == "badly" or call in self.begun_before_last_decrease:
                assert self.limit._limit == before

    @invariant()
    def it_stays_within_its_bounds(self) -> None:
        if hasattr(self, "limit"):
            assert self.least <= self.limit.limit <= self.most
            assert self.limit.under_way == len(self.calls)

    def teardown(self) -> None:
        if hasattr(self, "limit"):
            for call in self.calls:
                call.end(well=False)
            # whatever has happened, a server that bears the most gets it again
            for _ in range(2 * self.most):
                round_trip(self.limit)
            assert self.limit.limit == self.most


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = settings(deadline=None, max_examples=50)


def hammer(limit: AdaptiveLimit, threads: int, calls: int, serve: Callable[[Slot], None]) -> None:
    def work() -> None:
        for _ in range(calls):
            with limit.slot(GO) as slot:
                assert slot
                serve(slot)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    wait_until(lambda: not any(worker.is_alive() for worker in workers), "all calls to end")


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_threads_never_have_more_under_way_than_the_most(seed: int, most: int) -> None:
    rng = random.Random(seed)
    limit = AdaptiveLimit(1, most)
    lock = threading.Lock()
    under_way = peak = 0

    def serve(slot: Slot) -> None:
        nonlocal under_way, peak
        with lock:
            under_way += 1
            peak = max(peak, under_way)
            is_refused = rng.random() < 0.2
        if is_refused:
            slot.congested()
        with lock:
            under_way -= 1

    hammer(limit, threads=8, calls=10, serve=serve)
    assert peak <= most
    assert 1 <= limit.limit <= most
    assert limit.under_way == 0


def test_a_server_that_bears_five_is_found_out_and_neither_overrun_nor_spared() -> None:
    limit = AdaptiveLimit(1, 64)
    limits = []
    for _ in range(100):
        limits.append(limit.limit)
        for number, call in enumerate(begin(limit, limit.limit)):
            call.end_congested() if number >= 5 else call.end()
    settled = limits[20:]
    assert max(settled) == 6
    assert sum(settled) / len(settled) > 3.5
