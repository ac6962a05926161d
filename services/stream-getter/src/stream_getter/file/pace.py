"""How fast a replay goes."""

import threading
from collections.abc import Callable
from datetime import datetime

#: Seconds that a replay may be behind and catch up; more is let go, or a queue that was away would be flooded.
_CATCH_UP_SECONDS = 1.0


class Pace:
    """Waits before each post: not at all, by a rate, or by the distances of the posts' own times.

    ``per_second`` is posts per second, None for as fast as can be. With ``speed`` given the distances count instead,
    divided by it; a post that is older than the one before follows at once.
    """

    def __init__(
        self,
        stopping: threading.Event,
        clock: Callable[[], float],
        *,
        per_second: float | None = None,
        speed: float | None = None,
    ) -> None:
        self._stopping = stopping
        self._clock = clock
        self._per_second = per_second
        self._speed = speed
        self._due: float | None = None
        self._latest: datetime | None = None

    def wait(self, created_at: datetime) -> bool:
        """Until it is the turn of a post of this time; False where the service is to stop before."""
        distance = self._distance(created_at)
        now = self._clock()
        if self._due is None:
            self._due = now
        elif distance is not None:
            self._due = max(self._due + distance, now - _CATCH_UP_SECONDS)
            if self._due > now:
                return not self._stopping.wait(self._due - now)
        return not self._stopping.is_set()

    def _distance(self, created_at: datetime) -> float | None:
        if self._speed is not None:
            before, self._latest = self._latest, max(self._latest or created_at, created_at)
            return (self._latest - before).total_seconds() / self._speed if before else 0.0
        return 1.0 / self._per_second if self._per_second else None
