"""Delays by the queue's own count of tries."""

import random

import pytest

from pipeline.retry_delays import RetryDelays


@pytest.mark.parametrize(
    ("receive_count", "shortest", "longest"),
    [(0, 1, 2), (1, 1, 2), (2, 2, 4), (5, 16, 32), (9, 256, 512), (10, 450, 900)],
)
def test_delays_double_and_are_spread_over_their_upper_half(receive_count: int, shortest: int, longest: int) -> None:
    delays = RetryDelays(2.0, 900.0, random.Random(1))
    drawn = [delays.after(receive_count) for _ in range(500)]
    assert shortest <= min(drawn) <= max(drawn) <= longest
    assert len(set(drawn)) >= min(longest - shortest, 100)


def test_no_count_makes_them_longer_than_the_longest() -> None:
    delays = RetryDelays(2.0, 900.0, random.Random(1))
    assert max(delays.after(count) for count in range(100_000)) == 900


def test_a_short_delay_is_a_second_at_least() -> None:
    assert RetryDelays(0.01, 900.0, random.Random(1)).after(1) == 1
