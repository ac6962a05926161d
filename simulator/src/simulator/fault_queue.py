"""Faults that wait for their turn: one acts after the other, in the order in which they were given."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from simulator.faults import MAX_TIMES, Fault
from simulator.settings import Mistake


class FaultQueue:
    """Only the first fault is on; the next is on once that has acted. Safe for several threads.

    One that counts posts belongs to one stream, the first that asks; when that ends before its turn, the count starts
    anew with another. `add_ghost` is called for each ghost, from any thread.
    """

    def __init__(self, add_ghost: Callable[[], object]) -> None:
        self._add_ghost = add_ghost
        self._lock = threading.Lock()
        self._waiting: deque[Fault] = deque()
        self._used = 0
        self._stream: int | None = None

    @property
    def waiting(self) -> list[Fault]:
        """Those that have not acted, or not on all attempts."""
        with self._lock:
            return list(self._waiting)

    def add(self, faults: Sequence[Fault]) -> None:
        """These come after those that wait. Raises Mistake when they are too many."""
        with self._lock:
            if len(self._waiting) + len(faults) > MAX_TIMES:
                raise Mistake(f"faults: expected at most {MAX_TIMES} that wait, found {len(faults)} more")
            self._waiting.extend(faults)
            self._let_ghosts_appear()

    def clear(self) -> int:
        """Forgets those that wait; how many. What a stream has begun goes on."""
        with self._lock:
            count = len(self._waiting)
            self._waiting.clear()
            self._begin_anew()
            return count

    def on_attempt(self) -> Fault | None:
        """The fault that a connection attempt meets."""
        with self._lock:
            fault = self._waiting[0] if self._waiting else None
            if fault is None or fault.attempts is None:
                return None
            self._used += 1
            if self._used >= fault.attempts:
                self._next()
            return fault

    def on_stream(self, stream: int, posts: int) -> tuple[int, Fault | None]:
        """Of so many posts that a stream is to send, how many come before the next fault; and that fault."""
        with self._lock:
            fault = self._waiting[0] if self._waiting else None
            if fault is None or fault.attempts is not None or self._stream not in (None, stream):
                return posts, None
            self._stream = stream
            left = fault.after_posts - self._used
            if left > posts:
                self._used += posts
                return posts, None
            self._next()
            return left, fault

    def ended(self, stream: int) -> None:
        """A stream has ended: it counts no more."""
        with self._lock:
            if self._stream == stream:
                self._begin_anew()

    def _next(self) -> None:
        self._waiting.popleft()
        self._begin_anew()
        self._let_ghosts_appear()

    def _begin_anew(self) -> None:
        self._used = 0
        self._stream = None

    def _let_ghosts_appear(self) -> None:
        while self._waiting and self._waiting[0].what == "ghost":
            for _ in range(self._waiting.popleft().times):
                self._add_ghost()
