"""How much may be under way at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zero_shot_model.errors import QueueFull


class Room:
    """An amount of which at most `most` may be taken at a time; what comes alone always fits. For any thread.

    `what` names it in messages: requests, texts, bytes.
    """

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises QueueFull when not even 1 would fit."""
        with self._lock:
            self._check(1)

    def take(self, amount: int) -> None:
        """Takes `amount` until it is given back. Raises QueueFull when it does not fit beside what is taken."""
        with self._lock:
            self._check(amount)
            self._taken += amount

    def give_back(self, amount: int) -> None:
        """Gives back what was taken."""
        with self._lock:
            self._taken -= amount

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Takes `amount` while the context is open. Raises QueueFull."""
        self.take(amount)
        try:
            yield
        finally:
            self.give_back(amount)

    def _check(self, amount: int) -> None:
        if self._taken and self._taken + amount > self._most:
            raise QueueFull(f"{self._taken} {self._what} are under way; try again later")
