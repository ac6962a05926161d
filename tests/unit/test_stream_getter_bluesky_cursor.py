"""How far Bluesky was read, and what a connection and a restart begin with."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pipeline.state_envelope import StateContent
from pipeline.state_store import MemoryStateStore, StateConflict, StateNotSaved
from stream_getter.bluesky import cursor as cursor_module
from stream_getter.bluesky.cursor import KIND, Cursor, Mark, SavedCursor
from tests.support.jetstream_messages import time_us
from tests.support.recording_log import record_log

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
AT = time_us(NOW)
SECOND = 1_000_000
A, B = "wss://a.example/subscribe", "wss://b.example/subscribe"


class Store(MemoryStateStore):
    """Counts saves and fails on demand."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.saves: list[int] = []
        self.failure: Exception | None = None

    def save(self, kind: str, content: StateContent) -> None:
        if self.failure:
            raise self.failure
        super().save(kind, content)
        assert isinstance(content, SavedCursor)
        self.saves.append(content.time_us)


def a_cursor(store: Store, clock: Callable[[], float] = lambda: 0.0, *, saved: int | None = None) -> Cursor:
    if saved is not None:
        MemoryStateStore.save(store, KIND, SavedCursor(time_us=saved, url=B))
    cursor = Cursor(store, lambda: NOW, clock, 5.0, 60.0, 10.0)
    cursor.load([A, B])
    return cursor


def test_a_first_start_begins_now() -> None:
    cursor = a_cursor(Store())
    assert cursor.start_on(A) == AT - 5 * SECOND
    assert cursor.settled == Mark(AT, A)


def test_a_restart_goes_on_with_its_server_and_rewinds_more_for_another() -> None:
    store = Store()
    MemoryStateStore.save(store, KIND, SavedCursor(time_us=AT - 100 * SECOND, url=B))
    cursor = Cursor(store, lambda: NOW, lambda: 0.0, 5.0, 60.0, 10.0)
    assert cursor.load([A, B]) == B
    assert cursor.start_on(B) == AT - 105 * SECOND
    assert cursor.start_on(A) == AT - 160 * SECOND


def test_a_server_that_is_no_longer_named_is_left() -> None:
    store = Store()
    MemoryStateStore.save(store, KIND, SavedCursor(time_us=AT, url="wss://gone.example/subscribe"))
    cursor = Cursor(store, lambda: NOW, lambda: 0.0, 5.0, 60.0, 10.0)
    assert cursor.load([A, B]) == A
    assert cursor.start_on(A) == AT - 60 * SECOND


def test_a_cursor_from_the_future_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, cursor_module)
    cursor = a_cursor(Store(), saved=AT + 3600 * SECOND)
    assert cursor.start_on(A) == AT - 5 * SECOND
    assert logged.events == ["the cursor is not of our time, starting from now"]


def test_a_rewind_never_goes_before_the_first_moment() -> None:
    assert a_cursor(Store(), saved=3).start_on(B) == 1


def test_settled_is_behind_the_first_post_that_is_not() -> None:
    cursor = a_cursor(Store())
    settle_first = cursor.arrived(AT + 1, A)
    cursor.passed(AT + 2, A)
    settle_second = cursor.arrived(AT + 3, A)
    cursor.passed(AT + 4, A)
    assert cursor.settled == Mark(AT, A)
    settle_second()
    assert cursor.settled == Mark(AT, A)
    settle_first()
    assert cursor.settled == Mark(AT + 4, A)
    cursor.passed(AT + 5, A)
    assert cursor.settled == Mark(AT + 5, A)


def test_what_is_passed_over_costs_no_memory() -> None:
    cursor = a_cursor(Store())
    settle = cursor.arrived(AT + 1, A)
    for number in range(1000):
        cursor.passed(AT + 2 + number, A)
    assert len(cursor._positions._open) == 1
    settle()
    assert cursor.settled == Mark(AT + 1001, A)


def test_a_replay_does_not_lead_back() -> None:
    cursor = a_cursor(Store())
    cursor.passed(AT + 50, A)
    settle = cursor.arrived(AT + 20, A)
    assert cursor.start_on(A) == AT + 50 - 5 * SECOND
    settle()
    assert cursor.settled == Mark(AT + 50, A)


def test_a_time_far_ahead_is_not_taken() -> None:
    cursor = a_cursor(Store())
    cursor.passed(AT + 10_000 * SECOND, A)
    assert cursor.seen == Mark(AT, A)
    assert cursor.missed_before(AT + 10_000 * SECOND) == 0


def test_the_gap_is_told_in_seconds() -> None:
    cursor = a_cursor(Store(), saved=AT - 100 * SECOND)
    assert cursor.missed_before(AT - 40 * SECOND) == 60
    assert cursor.missed_before(AT - 105 * SECOND) == -5


def test_skipping_lasts_until_the_next_message_and_not_beyond_now() -> None:
    cursor = a_cursor(Store(), saved=AT - 10 * SECOND)
    cursor.skip(4)
    assert cursor.start_on(B) == AT - 6 * SECOND
    cursor.skip(4096)
    assert cursor.start_on(B) == AT
    cursor.passed(AT - 9 * SECOND, B)
    assert cursor.start_on(B) == AT - 14 * SECOND


def test_where_all_begins_is_saved_at_once() -> None:
    store = Store()
    a_cursor(store)
    assert store.saves == [AT]


def test_it_saves_once_per_period_and_only_what_has_changed() -> None:
    store, times = Store(), [0.0]
    cursor = a_cursor(store, lambda: times[0], saved=AT)
    cursor.passed(AT + 1, B)
    cursor.save_in_time()
    assert store.saves == []
    times[0] = 10.0
    cursor.save_in_time()
    cursor.passed(AT + 2, B)
    cursor.save_in_time()
    assert store.saves == [AT + 1]
    times[0] = 20.0
    cursor.save_in_time()
    cursor.save()
    assert store.saves == [AT + 1, AT + 2]


def test_nothing_is_saved_before_anything_was_seen() -> None:
    store = Store()
    cursor = Cursor(store, lambda: NOW, lambda: 0.0, 5.0, 60.0, 10.0)
    cursor.save()
    assert cursor.start_on(A) is None
    assert store.saves == []


def test_a_save_that_failed_is_made_up_for() -> None:
    store = Store()
    store.failure = StateNotSaved("disk full")
    cursor = a_cursor(store)
    store.failure = None
    cursor.save()
    assert store.saves == [AT]


def test_another_process_is_told_of_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, cursor_module)
    store = Store()
    store.failure = StateConflict("somebody else")
    cursor = a_cursor(store)
    store.failure = None
    cursor.save()
    assert logged.events == ["another process has saved its cursor here, ours takes its place"]
    assert store.saves == [AT]
