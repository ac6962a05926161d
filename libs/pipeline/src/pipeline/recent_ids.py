"""A bounded memory of ids seen lately, for folding repeats on at-least-once roads."""

from collections import OrderedDict


class RecentIds:
    """Remembers up to ``capacity`` ids and forgets the least recently added ones. Not safe for several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id_: str) -> None:
        """Remembers the id as the newest."""
        self._ids[id_] = None
        self._ids.move_to_end(id_)
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
