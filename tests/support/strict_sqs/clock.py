"""The clocks of the stand-in: one that tests set forward, and the machine's own for the HTTP front.

Times are whole milliseconds since 1970, as SQS's own timestamps are, so that no sum of steps is off by a rounding.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

#: Seconds of real time after which a poll that a moved clock has woken must have run; a bug of a test otherwise.
_WAKING_SECONDS = 10.0
_START = 1_800_000_000.0


class Clock(Protocol):
    """What the stand-in asks of a clock. Called, it gives UNIX seconds, as the product's parts want theirs."""

    def __call__(self) -> float: ...

    def now_ms(self) -> int:
        """Milliseconds since 1970."""

    def wait(self, condition: threading.Condition, until_ms: int) -> None:
        """Waits, with the condition held, until it is notified or it is ``until_ms``; may return before."""

    def call_when_moved(self, wake: Callable[[], None]) -> None:
        """Has ``wake`` called, without any lock held, each time that somebody sets the clock forward."""


class RealClock:
    """The machine's clock. ``now`` gives UNIX seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def __call__(self) -> float:
        return self.now_ms() / 1000

    def now_ms(self) -> int:
        return int(self._now() * 1000)

    def wait(self, condition: threading.Condition, until_ms: int) -> None:
        # a millisecond more: one less would make the last wait of a poll a busy loop
        condition.wait(max(0, until_ms - self.now_ms() + 1) / 1000)

    def call_when_moved(self, wake: Callable[[], None]) -> None:
        """Nobody moves it, so that nothing has to be called."""


class VirtualClock:
    """Stands still until ``advance``. Safe for several threads."""

    def __init__(self, start: float = _START) -> None:
        self._now_ms = round(start * 1000)
        self._moved = threading.Condition()
        self._alarms: dict[object, int] = {}
        self._wakers: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self._now_ms / 1000

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, seconds: float) -> None:
        """Sets the clock forward, and stops at each time that a waiting poll is to be woken at until it has run.

        So a poll of 5 s gets a message that turns visible after 3, also when the clock is set forward by 100 at once.
        Raises TimeoutError when a woken poll does not run within 10 s of real time, ValueError for a step back.
        """
        if seconds < 0:
            raise ValueError(f"expected a step forward, got {seconds} s")
        self.advance_to(self._now_ms + round(seconds * 1000))

    def advance_to(self, target_ms: int) -> None:
        """As ``advance``, up to a time; one that is past changes nothing."""
        while True:
            with self._moved:
                step = min([target_ms, *self._alarms.values()])
                self._now_ms = max(self._now_ms, step)
                wakers = list(self._wakers)
            for wake in wakers:
                wake()
            with self._moved:
                if not self._moved.wait_for(lambda: not self._rings(), _WAKING_SECONDS):
                    raise TimeoutError("a poll that the clock has woken did not run")
                if self._now_ms >= target_ms:
                    return

    def wait(self, condition: threading.Condition, until_ms: int) -> None:
        alarm = object()
        with self._moved:
            if until_ms <= self._now_ms:
                return
            self._alarms[alarm] = until_ms
        try:
            condition.wait()
        finally:
            with self._moved:
                del self._alarms[alarm]
                self._moved.notify_all()

    def call_when_moved(self, wake: Callable[[], None]) -> None:
        with self._moved:
            self._wakers.append(wake)

    def _rings(self) -> bool:
        return any(at <= self._now_ms for at in self._alarms.values())
