"""Waits grow within bounds, vary, start anew after a success, and never overflow."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.backoff import Backoff


class Extremes(random.Random):
    """Draws the lowest or the highest that is allowed."""

    def __init__(self, highest: bool) -> None:
        super().__init__(0)
        self._highest = highest

    def uniform(self, a: float, b: float) -> float:
        return b if self._highest else a


def waits(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next() for _ in range(count)]


def test_waits_double_from_the_first_up_to_the_longest() -> None:
    assert waits(Backoff(1.0, 10.0, Extremes(highest=True)), 6) == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_each_wait_is_at_least_half_of_what_it_may_be() -> None:
    assert waits(Backoff(1.0, 10.0, Extremes(highest=False)), 6) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(st.integers(), st.floats(0.001, 10.0), st.floats(1.0, 1000.0), st.integers(1, 80))
def test_no_wait_leaves_its_bounds(seed: int, first: float, factor: float, tries: int) -> None:
    longest = first * factor
    for number, wait in enumerate(waits(Backoff(first, longest, random.Random(seed)), tries)):
        ceiling = min(longest, first * 2**number)
        assert ceiling / 2 <= wait <= ceiling


def test_waits_vary_so_that_clients_do_not_come_back_together() -> None:
    rng = random.Random(1)
    assert len({Backoff(1.0, 10.0, rng).next() for _ in range(20)}) == 20


def test_a_reset_starts_from_the_first_again() -> None:
    backoff = Backoff(1.0, 10.0, Extremes(highest=True))
    waits(backoff, 5)
    backoff.reset()
    assert backoff.next() == 1.0


def test_an_outage_of_any_length_does_not_overflow() -> None:
    assert waits(Backoff(1.0, 10.0, Extremes(highest=True)), 2000)[-1] == 10.0
