"""A circuit breaker: when calls keep failing, nobody calls but one probe at a time, until one succeeds.

Michael T. Nygard, "Release It!", chapter "Stability Patterns", section "Circuit Breaker". So what is down is not asked
by every thread at once, and what has come back is asked by one before all the others follow.

Who calls what: each thread asks for a permit right before a call, and tells by it how the call has ended:

    permit = breaker.wait_until_allowed(stopping)
    if permit is None:
        return  # the service is to stop
    with permit:
        if permit.is_probe:
            ...  # a call that costs little, if there is one
        permit.succeeded()
"""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

from pipeline.backoff import Backoff

#: Seconds until a thread that waits for another's probe looks again.
_LOOK_AGAIN = 0.05
#: Seconds that a wait may end too early by the clock that it is measured with.
_EARLY = 0.001


class BreakerState(StrEnum):
    """Who may call now: everybody, nobody, or one, which does."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


#: Is told the state. It is called within the breaker's lock, so that changes come in their order: it must be short,
#: must not raise, and must not wait for a thread that calls the breaker.
Listener = Callable[[BreakerState], None]


class Permit:
    """Leave to make one call, to be used as a context. One that is left without a word has proved nothing.

    What it tells counts only while the breaker is as it was when it was given: a call that was begun before the breaker
    opened says nothing of what has been since. Of several words the first counts.
    """

    def __init__(self, breaker: "Breaker", era: int, *, is_probe: bool) -> None:
        self.is_probe = is_probe
        self._breaker = breaker
        self._era = era
        self._has_told = False

    def succeeded(self) -> None:
        """The call was answered. A probe's closes the breaker."""
        if not self._has_told:
            self._has_told = True
            self._breaker._succeeded(self._era, is_probe=self.is_probe)

    def failed(self, *, certain: bool = False) -> None:
        """The call was not answered. ``certain`` says that no other can be now, and opens the breaker at once."""
        if not self._has_told:
            self._has_told = True
            self._breaker._failed(self._era, certain=certain or self.is_probe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_probe and not self._has_told:
            self._has_told = True
            self._breaker._gave_up_probe(self._era)


class Breaker:
    """Opens after ``failures`` calls in a row have failed, and lets a probe through after each wait of ``backoff``.

    Safe for several threads; ``backoff`` is the breaker's own, and ``clock`` gives seconds that never go back. With
    ``starts_open`` nobody calls before a first probe has succeeded. Guaranteed: a permit is given only while the
    breaker is closed, or as the one probe; there is never a second probe before the first was left. Not guaranteed:
    that calls which were begun before it opened have ended.
    """

    def __init__(
        self,
        failures: int,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        *,
        starts_open: bool = False,
    ) -> None:
        if failures < 1:
            raise ValueError(f"expected at least one failure that opens, got {failures}")
        self._most_failures = failures
        self._backoff = backoff
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._state = BreakerState.OPEN if starts_open else BreakerState.CLOSED
        self._retry_at = clock()
        self._failures = 0
        self._era = 0  # changes with each opening and closing

    @property
    def state(self) -> BreakerState:
        """As it is at this moment."""
        return self._state

    def listen(self, listener: Listener) -> None:
        """Tells the state now, and each change from now on, without a gap."""
        with self._lock:
            self._listeners.append(listener)
            listener(self._state)

    def permit_now(self) -> Permit | None:
        """A permit, or None where none may be given at this moment: for callers with better things to do than wait."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return Permit(self, self._era, is_probe=False)
            if self._state is BreakerState.OPEN and self._seconds_left() <= 0:
                self._change(BreakerState.HALF_OPEN)
                return Permit(self, self._era, is_probe=True)
            return None

    def wait_until_allowed(self, stopping: threading.Event) -> Permit | None:
        """A permit, as soon as one may be given; None once ``stopping`` is set, which ends the wait at once."""
        while not stopping.is_set():
            permit = self.permit_now()
            if permit is not None:
                return permit
            with self._lock:
                seconds = self._seconds_left() if self._state is BreakerState.OPEN else _LOOK_AGAIN
            stopping.wait(max(0.0, seconds))
        return None

    def _succeeded(self, era: int, *, is_probe: bool) -> None:
        with self._lock:
            if era != self._era:
                return
            self._failures = 0
            if is_probe:
                self._backoff.reset()
                self._era += 1
                self._change(BreakerState.CLOSED)

    def _failed(self, era: int, *, certain: bool) -> None:
        with self._lock:
            if era != self._era:
                return
            self._failures += 1
            if certain or self._failures >= self._most_failures:
                self._open(self._backoff.next())

    def _gave_up_probe(self, era: int) -> None:
        with self._lock:
            if era == self._era:
                self._open(0.0)

    def _open(self, seconds: float) -> None:
        self._era += 1
        self._retry_at = self._clock() + seconds
        self._change(BreakerState.OPEN)

    def _seconds_left(self) -> float:
        left = self._retry_at - self._clock()
        return left if left > _EARLY else 0.0

    def _change(self, state: BreakerState) -> None:
        self._state = state
        for listener in self._listeners:
            listener(state)
