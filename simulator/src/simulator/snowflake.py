"""Ids as X makes them: 64-bit numbers in decimal that grow with time."""

import threading

from simulator.clock import Clock

X_EPOCH_MILLISECONDS = 1_288_834_974_657
SEQUENCE_BITS = 22


class SnowflakeIds:
    """Gives ids that never repeat and always grow. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def fresh(self) -> str:
        """The next id: milliseconds since X's epoch in the high bits, a counter in the low 22."""
        milliseconds = int(self._clock.now() * 1000) - X_EPOCH_MILLISECONDS
        with self._lock:
            self._last = max(self._last + 1, milliseconds << SEQUENCE_BITS)
            return str(self._last)
