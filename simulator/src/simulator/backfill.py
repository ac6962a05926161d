"""Posts of the last minutes, for clients that ask for them with ``backfill_minutes`` when they connect."""

import threading
from collections.abc import Sequence

from simulator.clock import Clock
from simulator.payload import Post

LONGEST_MINUTES = 5
_MOST_POSTS = 20_000


class Backfill:
    """Keeps every post that was on the stream for 5 minutes, 20,000 at most.

    X API v2, "Recovery and redundancy features": up to five minutes, not de-duplicated.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._posts: dict[str, tuple[float, Post]] = {}

    def keep(self, posts: Sequence[Post]) -> None:
        """Remembers posts as of now, each once; whether a client took them does not matter."""
        now = self._clock.monotonic()
        with self._lock:
            for post in posts:
                self._posts.pop(post.id, None)
                self._posts[post.id] = (now, Post(post.payload, repeat=True))
            for oldest in list(self._posts)[: max(0, len(self._posts) - _MOST_POSTS)]:
                del self._posts[oldest]

    def of_last(self, minutes: int) -> list[Post]:
        """The posts of so many minutes, oldest first."""
        since = self._clock.monotonic() - 60 * minutes
        with self._lock:
            return [post for at, post in self._posts.values() if at >= since]
