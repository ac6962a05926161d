"""How far a replay has come: a bar on a terminal, a line in the log now and then elsewhere."""

from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

from pipeline.logs import get_logger

log = get_logger(__name__)

_LINE_EVERY_SECONDS = 10.0
_BAR_EVERY_SECONDS = 0.1


class Progress:
    """``total`` is in bytes, None where nobody knows."""

    def __init__(self, stream: TextIO, total: int | None, clock: Callable[[], float]) -> None:
        self._total = total
        self._clock = clock
        # without disable it would fill a log with bars
        self._bar = tqdm(total=total, unit="B", unit_scale=True, file=stream, disable=not stream.isatty(), leave=True)
        self._next = clock() + (_LINE_EVERY_SECONDS if self._bar.disable else 0.0)
        self._done = 0
        self._posts = 0

    def moved(self, done: int, posts: int) -> None:
        """``done`` bytes are read in all, which gave so many posts. Cheap enough for each post."""
        self._done, self._posts = done, posts
        now = self._clock()
        if now < self._next:
            return
        if self._bar.disable:
            self._next = now + _LINE_EVERY_SECONDS
            log.info("replaying", posts=posts, bytes=done, of=self._total)
        else:
            self._next = now + _BAR_EVERY_SECONDS
            self._draw()

    def ended(self) -> None:
        """There is no more to come."""
        self._draw()
        self._bar.close()

    def _draw(self) -> None:
        self._bar.set_postfix(posts=self._posts, refresh=False)
        self._bar.update(self._done - self._bar.n)
