"""The books: what became of each message, and when, without a word from the code under test."""

from collections import Counter
from enum import StrEnum
from typing import NamedTuple


class What(StrEnum):
    """What happened to a message."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    VISIBILITY_CHANGED = "visibility changed"
    DELETED = "deleted"
    #: To a dead-letter queue, by maxReceiveCount.
    MOVED = "moved"
    #: By a move task, under a new id.
    REDRIVEN = "redriven"
    EXPIRED = "expired"
    PURGED = "purged"
    #: With its queue, which was deleted.
    DROPPED = "dropped"


#: By these a message leaves the queue of the entry.
_LEAVING = {What.DELETED, What.MOVED, What.REDRIVEN, What.EXPIRED, What.PURGED, What.DROPPED}


class Entry(NamedTuple):
    """One line. ``at_ms`` is the time of the event itself; what expires is noticed, and thus written, later.

    ``detail`` is the body for ACCEPTED, the receipt for DELIVERED and DELETED, the new timeout in seconds for
    VISIBILITY_CHANGED, and for MOVED and REDRIVEN the name of the queue that it went to. ``new_id`` is for REDRIVEN.
    """

    at_ms: int
    what: What
    queue: str
    message_id: str
    detail: str = ""
    receives: int = 0
    new_id: str = ""


class Ledger:
    """Grows only. Safe for several threads."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def write(self, entry: Entry) -> None:
        self._entries.append(entry)

    def entries(self, *what: What, queue: str | None = None) -> list[Entry]:
        """The entries of these kinds (all kinds when none is named), of one queue or of all."""
        # a copy, which the interpreter makes in one step, so that writers need no lock
        return [e for e in list(self._entries) if (not what or e.what in what) and (queue is None or e.queue == queue)]

    def of(self, message_id: str) -> list[Entry]:
        """What happened to one message, under this id."""
        return [entry for entry in self.entries() if message_id in {entry.message_id, entry.new_id}]

    def count(self, what: What, queue: str | None = None) -> int:
        return len(self.entries(what, queue=queue))

    def bodies(self, what: What, queue: str | None = None) -> Counter[str]:
        """How often each body met this fate. Messages keep their body, whatever their id became."""
        by_id: dict[str, str] = {}
        bodies: Counter[str] = Counter()
        for entry in self.entries():
            if entry.what is What.ACCEPTED:
                by_id[entry.message_id] = entry.detail
            elif entry.what is What.REDRIVEN:
                by_id[entry.new_id] = by_id[entry.message_id]
            if entry.what is what and queue in {None, entry.queue}:
                bodies[by_id[entry.message_id]] += 1
        return bodies

    def holdings(self) -> dict[str, Counter[str]]:
        """The ids of what must lie in each queue, visible or not, by these books alone; empty queues are left out."""
        held: dict[str, Counter[str]] = {}
        for entry in self.entries():
            if entry.what is What.ACCEPTED:
                held.setdefault(entry.queue, Counter())[entry.message_id] += 1
            elif entry.what in _LEAVING:
                held.setdefault(entry.queue, Counter())[entry.message_id] -= 1
            if entry.what in {What.MOVED, What.REDRIVEN}:
                held.setdefault(entry.detail, Counter())[entry.new_id or entry.message_id] += 1
        # what is below zero stays: it left a queue that it was not in
        counts = {queue: Counter({i: n for i, n in ids.items() if n}) for queue, ids in held.items()}
        return {queue: ids for queue, ids in counts.items() if ids}
