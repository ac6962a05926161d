"""Ctrl-C while messages are in hand: the first ends the work at its next safe point, a second one at once."""

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

#: Seconds after which a pause looks for a signal again.
_LOOK = 0.1


class Interruption:
    """While its context is open, SIGINT and SIGTERM only set ``stopped``; the second of them raises KeyboardInterrupt.

    Use it in the main thread. Whoever works under it asks ``stopped`` between two steps that belong together, and
    waits by ``pause``.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._before: dict[int, Any] = {}
        # a plain number: Event.set() in a handler deadlocks with a wait() that it has interrupted
        self._number = 0

    @property
    def stopped(self) -> bool:
        """Whether the first signal has come."""
        return self._number != 0

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that ended for a signal: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self._number or signal.SIGINT)

    def pause(self, seconds: float) -> bool:
        """Waits; returns before its time once a signal has come. Whether none has."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0:
            self._sleep(min(left, _LOOK))
        return not self.stopped

    def signalled(self, number: int, _frame: FrameType | None = None) -> None:
        """The handler. Raises KeyboardInterrupt at the second signal."""
        if self._number:
            raise KeyboardInterrupt
        self._number = number

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self.signalled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
