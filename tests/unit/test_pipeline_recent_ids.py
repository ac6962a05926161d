"""The memory of recent ids knows what it was told lately and stays within its capacity."""

import tracemalloc

import pytest

from pipeline.recent_ids import RecentIds


def test_an_id_is_known_once_it_was_added() -> None:
    recent = RecentIds(2)
    assert "a" not in recent
    recent.add("a")
    assert "a" in recent


def test_the_id_added_longest_ago_is_forgotten_first() -> None:
    recent = RecentIds(2)
    for id_ in "abc":
        recent.add(id_)
    assert ["a" in recent, "b" in recent, "c" in recent] == [False, True, True]


def test_an_id_added_again_counts_as_the_newest() -> None:
    recent = RecentIds(2)
    for id_ in "abac":
        recent.add(id_)
    assert ["a" in recent, "b" in recent, "c" in recent] == [True, False, True]


def test_asking_for_an_id_does_not_keep_it() -> None:
    recent = RecentIds(2)
    recent.add("a")
    recent.add("b")
    assert "a" in recent
    recent.add("c")
    assert "a" not in recent


def test_it_never_holds_more_than_its_capacity() -> None:
    recent = RecentIds(3)
    for number in range(100):
        recent.add(str(number))
        recent.add(str(number))
    assert len(recent) == 3


@pytest.mark.parametrize("length", [10, 70, 500])
def test_it_stays_within_its_bytes_whatever_the_ids_length(length: int) -> None:
    bound = 2 * 1024 * 1024
    tracemalloc.start()
    try:
        recent = RecentIds(max_bytes=bound)
        most = 0
        for number in range(40_000):
            recent.add(f"{number:0{length}}")
            if number % 1000 == 0:
                most = max(most, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert f"{39_999:0{length}}" in recent
    assert f"{0:0{length}}" not in recent
    assert bound / 2 < most < bound


def test_an_id_larger_than_all_its_bytes_is_remembered_until_the_next() -> None:
    recent = RecentIds(max_bytes=1000)
    recent.add("a")
    recent.add("b" * 2000)
    assert ["a" in recent, "b" * 2000 in recent, len(recent)] == [False, True, 1]
    recent.add("c")
    assert ["b" * 2000 in recent, "c" in recent] == [False, True]


def test_bytes_are_counted_once_for_an_id_that_is_added_again() -> None:
    recent = RecentIds(max_bytes=1000)
    recent.add("a")
    for _ in range(100):
        recent.add("b")
    assert "a" in recent
