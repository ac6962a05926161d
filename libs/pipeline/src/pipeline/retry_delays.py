"""How long a message waits in its queue for its next try, by how often it has been tried already."""

import random

#: Exponents beyond it give the longest delay anyway, and 2.0 ** 1024 overflows.
_LARGEST_EXPONENT = 60


class RetryDelays:
    """Delays that double from ``first`` up to ``longest`` seconds, each drawn between half of that and all of it.

    As pipeline.backoff.Backoff, whose tries are counted by the process; these are counted by the queue, so that they
    go on growing wherever the message is received next. Safe for several threads.
    """

    def __init__(self, first: float, longest: float, rng: random.Random) -> None:
        self._first = first
        self._longest = longest
        self._rng = rng

    def after(self, receive_count: int) -> int:
        """Whole seconds, at least one, until the try that follows the one with this receive count (from 1)."""
        exponent = min(max(0, receive_count - 1), _LARGEST_EXPONENT)
        ceiling = min(self._longest, self._first * 2.0**exponent)
        return max(1, round(ceiling * self._rng.uniform(0.5, 1.0)))
