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

    def __init__(self, limit: "AdaptiveLimit", number: int, *, began_alone: bool) -> None:
        self._limit = limit
        self._began_alone = began_alone
        self.number = number

    @property
    def was_alone(self) -> bool:
        """Whether no other call has been under way beside this one up to now."""
        return self._began_alone and self._limit._begun == self.number

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
    and no new one is begun until there are fewer. A call that is to be alone begins when no other is under way; none
    that came later begins while it waits for that, and none at all before it has ended.
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
        self._come = 0
        self._waiting: dict[int, bool] = {}  # in the order in which they came: whether it is to be alone
        self._is_one_alone = False
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
    def slot(self, stopping: threading.Event, *, alone: bool = False) -> Iterator[Slot | None]:
        """Waits for room and takes it; None once ``stopping`` is set, within a tenth of a second.

        ``alone`` takes all the room.
        """
        slot = self._begin(stopping, alone=alone)
        if slot is None:
            yield None
            return
        succeeded = False
        try:
            yield slot
            succeeded = True
        finally:
            self._end(slot, succeeded)

    def _begin(self, stopping: threading.Event, *, alone: bool) -> Slot | None:
        with self._changed:
            self._come += 1
            number = self._come
            self._waiting[number] = alone
            try:
                while not stopping.is_set():
                    if self._may_begin(number, alone=alone):
                        self._is_one_alone = alone
                        return self._new_slot()
                    self._changed.wait(_LOOK_AGAIN)
            finally:
                del self._waiting[number]
        return None

    def _may_begin(self, number: int, *, alone: bool) -> bool:
        if alone:
            return not self._under_way and number == next(iter(self._waiting))
        is_one_before = any(to_be_alone and other < number for other, to_be_alone in self._waiting.items())
        return self._under_way < self.limit and not self._is_one_alone and not is_one_before

    def _new_slot(self) -> Slot:
        self._under_way += 1
        self._begun += 1
        if self._under_way >= self.limit:
            self._last_to_fill = self._begun
        return Slot(self, self._begun, began_alone=self._under_way == 1)

    def _end(self, slot: Slot, succeeded: bool) -> None:
        with self._changed:
            self._under_way -= 1
            self._is_one_alone = False
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
