"""Judgements that are kept for a while, so that the same text is not judged again."""

from array import array
from collections import OrderedDict
from collections.abc import Callable

from classifier.cases import Judged
from classifier.labels import LabelSetId

#: Bytes of an entry beside its scores: key, place in the table, time (measured with CPython on 64 bits).
_ENTRY_BYTES = 600
_SCORE_BYTES = 8

#: A text (classifier.same_text) and the labels that it was asked about.
Key = tuple[bytes, LabelSetId]


class JudgementCache:
    """Keeps judgements for ``seconds``, in at most ``max_bytes``; what was used least recently goes first.

    Not safe for several threads. ``clock`` gives seconds that never go back.
    """

    def __init__(self, max_bytes: int, seconds: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[float, Judged]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Judged | None:
        """The judgement, where it is kept and not too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, judged = entry
        if self._clock() >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return judged

    def put(self, key: Key, judged: Judged) -> None:
        """Keeps the judgement from now on."""
        if key in self._entries:
            self._drop(key)
        # a list of Python's floats would be four times as large
        kept = Judged(array("d", judged.scores), judged.model)
        self._entries[key] = (self._clock() + self._seconds, kept)
        self._bytes += _size(kept)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: Key) -> None:
        _, judged = self._entries.pop(key)
        self._bytes -= _size(judged)


def _size(judged: Judged) -> int:
    return _ENTRY_BYTES + _SCORE_BYTES * len(judged.scores)
