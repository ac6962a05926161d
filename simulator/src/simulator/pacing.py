"""When the next post is due."""

from typing import Protocol

from simulator.payload import Post
from simulator.posts_file import recorded_at

BETWEEN_PASSES_SECONDS = 1.0


class Pace(Protocol):
    """Tells the seconds that lie between the post before and this one."""

    def gap_before(self, post: Post, /) -> float:
        """Seconds; called once for each post, in order."""


class Unpaced:
    """As fast as the readers take posts."""

    def gap_before(self, _post: Post, /) -> float:
        """Nothing lies between two posts."""
        return 0.0


class FixedRate:
    """A fixed number of posts a second, repeats among them. The first is due at once."""

    def __init__(self, posts_per_second: float) -> None:
        self._gap = 1.0 / posts_per_second
        self._started = False

    def gap_before(self, _post: Post, /) -> float:
        """The same for every post after the first."""
        gap = self._gap if self._started else 0.0
        self._started = True
        return gap


class Recorded:
    """The differences of data.created_at, divided by `speed`.

    A post that is older than the one before it follows at once. A new pass over the files begins a second
    after the last post (divided by `speed` too): no recorded difference tells how long.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._previous: float | None = None

    def gap_before(self, post: Post, /) -> float:
        """What lay between the posts when they were recorded."""
        at = recorded_at(post.payload)
        if self._previous is None:
            gap = 0.0
        elif post.opens_new_pass:
            gap = BETWEEN_PASSES_SECONDS
        else:
            gap = max(0.0, at - self._previous)
        self._previous = at
        return gap / self._speed


class Schedule:
    """Turns gaps into due times that do not drift: lateness of one post is caught up by the next."""

    def __init__(self, pace: Pace, start: float) -> None:
        self._pace = pace
        self._due = start

    def due(self, post: Post) -> float:
        """The moment, on the clock of `start`, at which the post is due. Call it once a post, in order."""
        self._due += self._pace.gap_before(post)
        return self._due

    def resume(self, now: float) -> None:
        """Playing had stopped and goes on now: what was missed meanwhile is not caught up."""
        self._due = max(self._due, now)
