"""What the project has used of its month, as GET /2/usage/tweets tells it."""

import threading
from collections.abc import Iterable

from simulator.payload import Payload, Post

PROJECT_ID = "1790000000000000001"


class ProjectUsage:
    """Counts a post once, however many connections got it (X bills a post once per day)."""

    def __init__(self, *, cap: int, used: int) -> None:
        self._cap = cap
        self._used = used
        self._lock = threading.Lock()

    def count(self, posts: Iterable[Post]) -> None:
        """Add these posts to what was used."""
        with self._lock:
            self._used += sum(1 for _ in posts)

    def as_json(self) -> Payload:
        """X's answer; the numbers of posts are strings in it."""
        data = {
            "cap_reset_day": 1,
            "project_cap": str(self._cap),
            "project_id": PROJECT_ID,
            "project_usage": str(self._used),
        }
        return {"data": data}
