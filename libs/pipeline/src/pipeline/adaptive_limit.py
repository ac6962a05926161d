"""A limit on calls under way that finds out how much its server bears: up by one, down by half.

Additive increase, multiplicative decrease: Van Jacobson, "Congestion Avoidance and Control"; RFC 5681, section 3.1,
for the growth by one a round trip and the halving; RFC 6582 for one decrease a round trip however many calls were
refused in it; RFC 7661 for no growth of what is not used. "Performance Under Load" (Netflix Technology Blog) has the
same rules for calls of services.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds until a thread that waits for a slot looks whether it is to stop.
_LOOK_AGAIN = 0.1


class Slot:
    """Room for one call, for as long as its context lasts."""

    def __init__(self, limit: "AdaptiveLimit", number: int) -> None:
        self._limit = limit
        self.number = number

    def congested(self) -> bool:
        """The server has answered that it has too much to do: the limit shrinks.

        It does so once for all calls that had been begun before: they are one congestion. False says that the limit was
        at its least already: fewer calls cannot help.
        """
        return self._limit._shrink(self.number)


class AdaptiveLimit:
    """Starts at ``most`` and stays between ``least`` and ``most`` calls. Safe for several threads.

    A slot whose context ends without an exception, and without ``congested``, counts as a success, of which as many as
    fit into the limit let it grow by one: if the limit was reached while they were under way, and they were begun since
    it shrank. An exception says nothing of the server's load. Calls that are under way when the limit shrinks go on,
    and no new one is begun until there are fewer.
    """

    def __init__(self, least: int, most: int, *, factor: float = 0.5) -> None:
        if not 1 <= least <= most:
            raise ValueError(f"expected a least of 1 or more and a most that is not below it, got {least} and {most}")
        if not 0 < factor < 1:
            raise ValueError(f"expected a factor between 0 and 1, got {factor}")
        self._least = least
        self._most = most
        self._factor = factor
        self._changed = threading.Condition()
        self._limit = float(most)
        self._under_way = 0
        # slots are numbered as they are begun, so that what came before what can be told without a clock
        self._begun = 0
        self._last_to_fill = 0
        self._begun_when_shrunk = 0

    @property
    def limit(self) -> int:
        """Calls that may be under way at this moment."""
        return int(self._limit)

    @property
    def under_way(self) -> int:
        """Slots that are taken."""
        return self._under_way

    @contextmanager
    def slot(self, stopping: threading.Event) -> Iterator[Slot | None]:
        """Waits for room and takes it; None once ``stopping`` is set, within a tenth of a second."""
        slot = self._begin(stopping)
        if slot is None:
            yield None
            return
        succeeded = False
        try:
            yield slot
            succeeded = True
        finally:
            self._end(slot, succeeded)

    def _begin(self, stopping: threading.Event) -> Slot | None:
        with self._changed:
            while not stopping.is_set():
                if self._under_way < self.limit:
                    self._under_way += 1
                    self._begun += 1
                    if self._under_way >= self.limit:
                        self._last_to_fill = self._begun
                    return Slot(self, self._begun)
                self._changed.wait(_LOOK_AGAIN)
        return None

    def _end(self, slot: Slot, succeeded: bool) -> None:
        with self._changed:
            self._under_way -= 1
            was_used = self._last_to_fill >= slot.number
            if succeeded and was_used and slot.number > self._begun_when_shrunk:
                self._limit = min(float(self._most), self._limit + 1 / self._limit)
            self._changed.notify_all()

    def _shrink(self, number: int) -> bool:
        with self._changed:
            if number <= self._begun_when_shrunk:
                return True
            before = self._limit
            self._limit = max(float(self._least), before * self._factor)
            self._begun_when_shrunk = self._begun
            return self._limit < before
