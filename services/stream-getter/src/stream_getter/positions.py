"""How far all posts of an ordered source are settled, though they are settled in any order."""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

P = TypeVar("P")


class Positions(Generic[P]):
    """Of one ordered source, or one partition of it. Safe for several threads.

    Positions are handed in in their order. ``settled_up_to`` is the last one before which nothing is unsettled: what a
    restart may begin after. Memory is that of the posts that are not settled, whatever lies between and behind them.
    """

    def __init__(self, settled_up_to: P | None = None) -> None:
        self._lock = threading.Lock()
        self._open: deque[list[object]] = deque()  # from the first that is not settled on
        self._unsettled = 0
        self._settled_up_to = settled_up_to

    def arrived(self, position: P) -> Callable[[], None]:
        """The next position; what is returned settles it, once or more often."""
        entry: list[object] = [position, False]
        with self._lock:
            self._open.append(entry)
            self._unsettled += 1
        return partial(self._settle, entry)

    def passed(self, position: P) -> None:
        """The next position, which holds no post: settled by itself."""
        with self._lock:
            if not self._open:
                self._settled_up_to = position
            elif self._open[-1][1]:
                self._open[-1][0] = position
            else:
                self._open.append([position, True])

    @property
    def settled_up_to(self) -> P | None:
        """None where nothing was settled yet."""
        return self._settled_up_to

    @property
    def unsettled(self) -> int:
        """How many positions are not settled."""
        return self._unsettled

    def _settle(self, entry: list[object]) -> None:
        with self._lock:
            if entry[1]:
                return
            entry[1] = True
            self._unsettled -= 1
            while self._open and self._open[0][1]:
                self._settled_up_to = self._open.popleft()[0]  # type: ignore[assignment]
            if len(self._open) > 4 * self._unsettled:
                self._merge()

    def _merge(self) -> None:
        """Of settled positions side by side only the last one counts."""
        merged: deque[list[object]] = deque()
        for entry in self._open:
            if merged and merged[-1][1] and entry[1]:
                merged[-1] = entry
            else:
                merged.append(entry)
        self._open = merged
