"""What happens between two steps: signals, pace, progress."""

import io
import os
import signal

import pytest

from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.pace import Pace
from pipeline.dead_letters.progress import progress_on
from pipeline.dead_letters.words import counted, told_duration
from tests.support.dead_letter_desk import FakeTty


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_raises(number: int, code: int) -> None:
    before = signal.getsignal(number)
    interruption = Interruption()
    with interruption:
        assert interruption.pause(0)
        os.kill(os.getpid(), number)
        assert interruption.stopped
        assert not interruption.pause(3600)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert interruption.exit_code == code
    assert signal.getsignal(number) is before


def test_a_pause_ends_soon_after_a_signal() -> None:
    clock = Clock()
    slept = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        slept.append(seconds)
        if len(slept) == 3:
            interruption.signalled(signal.SIGINT)

    interruption = Interruption(clock, sleep)
    assert not interruption.pause(60)
    assert sum(slept) < 1


def test_a_pause_takes_its_time() -> None:
    clock = Clock()
    assert Interruption(clock, clock.sleep).pause(7.5)
    assert clock.now == pytest.approx(57.5)


def test_a_pace_is_kept_without_bursts_to_catch_up() -> None:
    clock = Clock()
    pace = Pace(5, clock, Interruption(clock, clock.sleep).pause, first=52.0)
    went = []
    for wait in (0, 0, 10, 0, 0):
        clock.now += wait
        assert pace.wait()
        went.append(clock.now)
        pace.went(10)
    assert went == pytest.approx([52, 54, 64, 66, 68])


def test_without_a_rate_only_the_first_waits() -> None:
    clock = Clock()
    pace = Pace(None, clock, Interruption(clock, clock.sleep).pause, first=51.0)
    for _ in range(3):
        assert pace.wait()
        pace.went(10)
    assert clock.now == pytest.approx(51)


def test_without_a_terminal_there_is_a_line_every_ten_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    with progress_on(stream, "posts-dlq", 2000, clock) as progress:
        for number in range(0, 1201, 100):
            progress.show(number, f"redriven {number // 2:,}")
            clock.now += 2
    assert stream.getvalue() == (
        "posts-dlq: 500 of about 2,000, redriven 250\nposts-dlq: 1,000 of about 2,000, redriven 500\n"
    )


def test_a_short_run_says_nothing() -> None:
    stream = io.StringIO()
    with progress_on(stream, "posts-dlq", 10, Clock()) as progress:
        progress.show(10)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar_that_is_taken_away() -> None:
    stream = FakeTty()
    with progress_on(stream, "posts-dlq", 20, Clock()) as progress:
        progress.show(10, "redriven 5")
        progress.show(20, "redriven 11")
    drawn = stream.getvalue().split("\r")
    assert any("posts-dlq:" in frame and "/20" in frame for frame in drawn)
    assert not drawn[-1].strip()
    assert "\n" not in stream.getvalue()


def test_a_bar_may_go_beyond_a_total_that_was_approximate() -> None:
    with progress_on(FakeTty(), "posts-dlq", 5, Clock()) as progress:
        progress.show(20, "redriven 5")
        progress.show(20, "redriven 6")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (183_900, "2 d 3 h"),
    ],
)
def test_durations_in_words(seconds: float, told: str) -> None:
    assert told_duration(seconds) == told


def test_counts_in_words() -> None:
    assert [counted(number, "message") for number in (0, 1, 2000)] == ["0 messages", "1 message", "2,000 messages"]
