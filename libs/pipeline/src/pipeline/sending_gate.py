"""One gate for all senders of a queue: after a request that failed as a whole they wait together, and one probes.

Without it an outage would be asked about by each sender at a pace of its own. It is a circuit breaker as
pipeline.breaker is, of a kind that is asked under the writer's lock, in one with what is in line, and that tells how
long to wait rather than wait.
"""

import math
from collections.abc import Callable

from pipeline.backoff import Backoff


class SendingGate:
    """Open, any number of requests may be under way; shut, none begins; between the two, one at a time.

    Not safe for threads by itself: the writer calls it under its lock. Each request takes a ticket with ``enter`` and
    gives it back with ``leave``. A request that was under way when the gate shut has no say about the time after:
    neither does its success open the gate, nor does its failure double the wait.
    """

    def __init__(self, backoff: Backoff, clock: Callable[[], float]) -> None:
        self._backoff = backoff
        self._clock = clock
        self._ticket = 0
        self._probing = False
        self._shut_until = 0.0
        self.is_open = True

    def seconds_shut(self) -> float:
        """0 when a request may begin now; infinite while the one that probes is under way."""
        if self.is_open:
            return 0.0
        return math.inf if self._probing else max(0.0, self._shut_until - self._clock())

    def enter(self) -> int:
        """A ticket for a request; only while ``seconds_shut`` is 0."""
        self._probing = not self.is_open
        return self._ticket

    def leave(self, ticket: int, queue_works: bool | None) -> bool:
        """The request has ended; whether it had a say.

        If the queue works the gate is open, if not it shuts for the backoff's next wait. None says nothing about the
        queue: where this was the probe, the next request is.
        """
        if ticket != self._ticket:
            return False
        self._probing = False
        if queue_works:
            self.is_open = True
            self._backoff.reset()
        elif queue_works is False:
            self.is_open = False
            self._ticket += 1
            self._shut_until = self._clock() + self._backoff.next()
        return True
