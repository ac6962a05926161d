"""How much the service holds of its queue at a time, so that a slow model slows the receiving and nothing else."""

import threading

from classifier.cases import Case


class InHand:
    """Cases between their receive and their settlement, bounded by number and by the bytes of their messages.

    Safe for several threads. The bounds are exceeded by one receive at most.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._count = 0
        self._bytes = 0

    @property
    def count(self) -> int:
        """Cases in hand."""
        return self._count

    def wait_for_room(self, timeout: float) -> bool:
        """Whether there is room for more, within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(self._has_room, timeout)

    def add(self, case: Case) -> None:
        """One more is in hand."""
        with self._changed:
            self._count += 1
            self._bytes += _size(case)

    def remove(self, case: Case) -> None:
        """It is settled."""
        with self._changed:
            had_room = self._has_room()
            self._count -= 1
            self._bytes -= _size(case)
            if not had_room and self._has_room():
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._count < self._most and self._bytes < self._most_bytes


def _size(case: Case) -> int:
    body = case.message.body
    return len(body) if body.isascii() else len(body.encode(errors="surrogatepass"))
