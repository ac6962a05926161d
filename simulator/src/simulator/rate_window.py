"""The x-rate-limit headers: a count of requests per 15 minutes."""

import threading

from simulator.clock import Clock

WINDOW_SECONDS = 900


class RateWindow:
    """Counts requests in a window that begins with its first one. It only tells; it never refuses."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._resets_at = 0.0
        self._used = 0

    def headers(self) -> dict[str, str]:
        """Count one request and give its headers; reset is in UNIX seconds."""
        now = self._clock.now()
        with self._lock:
            if now >= self._resets_at:
                self._resets_at = now + WINDOW_SECONDS
                self._used = 0
            self._used += 1
            return {
                "x-rate-limit-limit": str(self._limit),
                "x-rate-limit-remaining": str(max(0, self._limit - self._used)),
                "x-rate-limit-reset": str(int(self._resets_at)),
            }
