"""Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""

import random


class Backoff:
    """Waits that double from ``first`` up to ``longest`` seconds, each drawn between half of that and all of it.

    The lower half is kept so that a server that is down is never asked in a tight loop.
    """

    def __init__(self, first: float, longest: float, rng: random.Random) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        # the exponent is bounded: 2.0 ** 1024 overflows after a long outage
        ceiling = min(self._longest, self._first * 2.0 ** min(self._tries, 60))
        self._tries += 1
        return ceiling * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Starts from ``first`` again: call it after a success."""
        self._tries = 0
