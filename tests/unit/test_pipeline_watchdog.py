"""Threads that hang are noticed, named, and shown where they hang; threads that wait on purpose are left alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

import pipeline.watchdog
from pipeline.watchdog import LIMIT_SECONDS, STEP_SECONDS, Watchdog, WatchedEvent
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log


class Bench:
    """A watchdog with a clock that only the test sets forward."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.watchdog = Watchdog(self.registry, lambda: self.now)

    @contextmanager
    def hanging(self, name: str, limit_seconds: float = LIMIT_SECONDS) -> Iterator[Callable[[], None]]:
        """A watched thread that hangs; gives what has it beat once. It ends with the context."""
        entered, told_to_beat, has_beaten, released = (threading.Event() for _ in range(4))

        def where_it_hangs() -> None:
            entered.set()
            while not released.is_set():
                if told_to_beat.wait(0.01):
                    told_to_beat.clear()
                    self.watchdog.beat()
                    has_beaten.set()

        def run() -> None:
            with self.watchdog.watching(name, limit_seconds):
                where_it_hangs()

        def beat() -> None:
            has_beaten.clear()
            told_to_beat.set()
            assert has_beaten.wait(10)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert entered.wait(10)
        try:
            yield beat
        finally:
            released.set()
            thread.join(10)

    def silence(self, loop: str) -> float | None:
        return self.registry.get_sample_value("loop_seconds_since_beat", {"loop": loop})

    def limit(self, loop: str) -> float | None:
        return self.registry.get_sample_value("loop_limit_seconds", {"loop": loop})


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.watchdog)


def test_a_thread_is_stuck_once_it_was_silent_for_longer_than_its_limit(bench: Bench) -> None:
    with bench.hanging("worker-1"), bench.hanging("stream", limit_seconds=200.0):
        assert bench.watchdog.stuck() == []
        bench.now += LIMIT_SECONDS
        assert bench.watchdog.stuck() == []
        bench.now += 14
        assert bench.watchdog.stuck() == ["worker-1: no sign of life for 134 s (limit 120 s)"]
        bench.now += 67
        assert bench.watchdog.stuck() == [
            "worker-1: no sign of life for 201 s (limit 120 s)",
            "stream: no sign of life for 201 s (limit 200 s)",
        ]


def test_each_beat_counts_for_the_thread_that_gives_it(bench: Bench) -> None:
    with bench.hanging("beating") as beat, bench.hanging("silent"):
        for _ in range(3):
            bench.now += 50
            beat()
        assert bench.watchdog.stuck() == ["silent: no sign of life for 150 s (limit 120 s)"]


def test_a_beat_of_a_thread_that_is_not_watched_is_for_nobody(bench: Bench) -> None:
    with bench.hanging("silent"):
        bench.now += 130
        bench.watchdog.beat()
        assert len(bench.watchdog.stuck()) == 1


def test_a_thread_that_has_ended_is_not_stuck_and_has_no_series(bench: Bench) -> None:
    with bench.hanging("worker-1"):
        assert (bench.silence("worker-1"), bench.limit("worker-1")) == (0, 120)
    bench.now += 130
    assert bench.watchdog.stuck() == []
    assert (bench.silence("worker-1"), bench.limit("worker-1")) == (None, None)


def test_a_thread_that_has_crashed_is_not_watched_any_longer(bench: Bench) -> None:
    with pytest.raises(RuntimeError), bench.watchdog.watching("worker-1"):
        raise RuntimeError("broken")
    bench.now += 130
    assert bench.watchdog.stuck() == []


def test_the_silence_is_a_metric_and_of_loops_of_one_name_the_longest_counts(bench: Bench) -> None:
    with bench.hanging("desk") as beat:
        bench.now += 30
        with bench.hanging("desk"):
            assert bench.silence("desk") == 30
            beat()
            bench.now += 5
            assert bench.silence("desk") == 5
        # one of the two has ended
        assert bench.silence("desk") == 5
    assert bench.silence("desk") is None


def test_where_a_thread_hangs_is_logged_once_and_so_is_its_return(bench: Bench, log: RecordingLog) -> None:
    with bench.hanging("worker-1") as beat:
        bench.now += 130
        for _ in range(3):
            bench.watchdog.stuck()
        (line,) = log.lines
        assert line[:2] == ("error", "stuck")
        assert line[2]["loop"] == "worker-1"
        assert "in where_it_hangs" in str(line[2]["stack"])
        beat()
        assert bench.watchdog.stuck() == []
        assert bench.watchdog.stuck() == []
        assert log.lines[1:] == [("info", "no longer stuck", {"loop": "worker-1"})]
        bench.now += 130
        bench.watchdog.stuck()
        assert log.events == ["stuck", "no longer stuck", "stuck"]


def test_whoever_asks_the_event_is_alive(bench: Bench) -> None:
    stopping = WatchedEvent(bench.watchdog.beat)
    with bench.watchdog.watching("loop"):
        bench.now += 130
        assert not stopping.is_set()
        assert bench.watchdog.stuck() == []
        bench.now += 130
        assert not stopping.wait(0)
        assert bench.watchdog.stuck() == []


class CountedBeats:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_a_long_wait_beats_in_steps_that_no_limit_is_shorter_than(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 * STEP_SECONDS < LIMIT_SECONDS
    steps: list[float | None] = []

    def wait(_self: threading.Event, timeout: float | None = None) -> bool:
        steps.append(timeout)
        return False

    monkeypatch.setattr(threading.Event, "wait", wait)
    beats = CountedBeats()
    assert not WatchedEvent(beats).wait(3 * STEP_SECONDS + 1)
    assert steps == [STEP_SECONDS] * 3 + [1.0]
    assert beats.count == 4


@pytest.mark.parametrize("timeout", [None, 3600.0])
def test_the_event_ends_a_wait_at_once_and_says_so(timeout: float | None) -> None:
    beats = CountedBeats()
    stopping = WatchedEvent(beats)
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(stopping.wait(timeout)), daemon=True)
    thread.start()
    wait_until(lambda: beats.count, "the wait to have begun")
    stopping.set()
    thread.join(10)
    assert told == [True]
    assert stopping.is_set()


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.001])
def test_a_wait_that_is_over_says_whether_the_event_is_set(timeout: float) -> None:
    stopping = WatchedEvent(lambda: None)
    assert not stopping.wait(timeout)
    stopping.set()
    assert stopping.wait(timeout)
