"""The memory of recent ids knows what it was told lately and stays within its capacity."""

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
