"""So many messages a second and no more, without bursts to catch up."""

from collections.abc import Callable


class Pace:
    """``rate`` is in messages a second; None for as fast as can be. ``pause`` waits, and returns False on Ctrl-C.

    ``first`` is the time by ``clock`` before which nothing goes.
    """

    def __init__(
        self, rate: int | None, clock: Callable[[], float], pause: Callable[[float], bool], first: float
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._next = first

    def wait(self) -> bool:
        """Waits until more may go; False where the wait was broken off."""
        return self._pause(max(0.0, self._next - self._clock()))

    def went(self, messages: int) -> None:
        """So many have gone just now: the next may after the time that these are to take."""
        if self._rate:
            self._next = self._clock() + messages / self._rate
