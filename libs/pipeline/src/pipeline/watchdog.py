"""Notices threads that hang: a loop without a sign of life for longer than its limit is stuck.

Every loop must look at ``stopping`` again and again, or the process could not end in time. That look is its sign of
life too: ``WatchedEvent``, which Lifecycle hands out as ``stopping``, takes each question as one, and waits in steps
that ask. So a loop that waits on purpose, for a model that is down or for its next turn, is alive however long that
takes, and one that hangs in a call without a time-out is not. What waits on purpose without asking ``stopping`` calls
``Watchdog.beat`` at least every ``STEP_SECONDS``.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from pipeline.logs import get_logger

log = get_logger(__name__)

#: Seconds without a sign of life after which a loop is stuck. Of what a loop does between two looks at ``stopping``
#: nothing takes longer than some calls' time-outs (20 s each, see pipeline.aws).
LIMIT_SECONDS = 120.0
#: Seconds that a wait on purpose lasts at most between two signs of life.
STEP_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class _Loop:
    name: str
    limit: float
    last_beat: float
    told: bool = False


class Watchdog:
    """Keeps the last sign of life of each thread that has asked to be watched. Safe for any thread.

    It exports ``loop_seconds_since_beat`` and ``loop_limit_seconds`` by the loop's name; of loops with the same name
    the one that has been silent for longest counts. Without a registry it exports nothing.
    """

    def __init__(self, registry: CollectorRegistry | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loops: dict[int, _Loop] = {}
        self._silence = Gauge(
            "loop_seconds_since_beat", "Time since a thread last showed that it is alive", ["loop"], registry=registry
        )
        self._limit = Gauge(
            "loop_limit_seconds",
            "Time without a sign of life that makes a thread stuck",
            ["loop"],
            registry=registry,
        )

    @contextmanager
    def watching(self, name: str, limit_seconds: float = LIMIT_SECONDS) -> Iterator[None]:
        """Watches the thread that enters it, which counts as its first sign of life, until it leaves."""
        thread = threading.get_ident()
        loop = _Loop(name, limit_seconds, self._clock())
        with self._lock:
            self._loops[thread] = loop
            self._limit.labels(name).set(limit_seconds)
            self._silence.labels(name).set_function(lambda: self._longest_silence(name))
        try:
            yield
        finally:
            with self._lock:
                del self._loops[thread]
                if all(other.name != name for other in self._loops.values()):
                    self._limit.remove(name)
                    self._silence.remove(name)

    def beat(self) -> None:
        """The calling thread is alive. Costs next to nothing, and does nothing for a thread that is not watched."""
        # no lock: each thread touches only its own entry
        loop = self._loops.get(threading.get_ident())
        if loop is not None:
            loop.last_beat = self._clock()

    def stuck(self) -> Sequence[str]:
        """One line for each loop that is stuck. The first time, its stack is logged: where it hangs is the reason."""
        lines, news = [], []
        with self._lock:
            for thread, loop in self._loops.items():
                silence = self._clock() - loop.last_beat
                is_stuck = silence > loop.limit
                if is_stuck:
                    lines.append(f"{loop.name}: no sign of life for {silence:.0f} s (limit {loop.limit:.0f} s)")
                if is_stuck != loop.told:
                    loop.told = is_stuck
                    news.append((thread, loop.name, is_stuck))
        for thread, name, is_stuck in news:
            if is_stuck:
                log.error("stuck", loop=name, stack=_stack_of(thread))
            else:
                log.info("no longer stuck", loop=name)
        return lines

    def _longest_silence(self, name: str) -> float:
        now = self._clock()
        with self._lock:
            return max((now - loop.last_beat for loop in self._loops.values() if loop.name == name), default=0.0)


class WatchedEvent(threading.Event):
    """An event whose askers are alive: each question, and each step of a wait, is a sign of life of its thread."""

    def __init__(self, beat: Callable[[], None]) -> None:
        super().__init__()
        self._beat = beat

    def is_set(self) -> bool:
        """See threading.Event."""
        self._beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """See threading.Event; ``timeout`` is in seconds."""
        left = timeout
        while True:
            self._beat()
            step = STEP_SECONDS if left is None else min(left, STEP_SECONDS)
            if super().wait(step):
                return True
            if left is not None:
                left -= step
                if left <= 0:
                    return False


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame else "the thread has ended"
