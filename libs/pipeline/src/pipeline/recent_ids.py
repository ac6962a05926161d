"""A bounded memory of ids seen lately, for folding repeats on at-least-once roads."""

import math
import sys
from collections import OrderedDict

#: Bytes of an entry beside its id, the tables' room to grow included (measured with CPython on 64 bits).
_ENTRY_BYTES = 200


class RecentIds:
    """Remembers up to ``capacity`` ids, in at most ``max_bytes`` of memory, and forgets the least recently added ones.

    Ids differ in length by source, so that a number of them bounds no memory: where they come from outside, give bytes.
    The newest id is remembered whatever its size. Not safe for several threads.
    """

    def __init__(self, capacity: float = math.inf, *, max_bytes: float = math.inf) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._bytes = 0

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id_: str) -> None:
        """Remembers the id as the newest."""
        if id_ in self._ids:
            self._ids.move_to_end(id_)
            return
        self._ids[id_] = None
        self._bytes += _size(id_)
        while len(self._ids) > self._capacity or (self._bytes > self._max_bytes and len(self._ids) > 1):
            oldest, _ = self._ids.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(id_: str) -> int:
    return sys.getsizeof(id_) + _ENTRY_BYTES
