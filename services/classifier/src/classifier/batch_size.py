"""How many texts one call may have: as many as the endpoint answers in good time."""

import threading

#: Texts of the first call. A large model on few cores takes a second for each text with twenty labels.
_FIRST = 4
#: Seconds of a call up to which the next ones may be larger, and from which they are made smaller.
_QUICK = 2.0
_SLOW = 8.0


class BatchSize:
    """Starts small and doubles until a call is slow; from then on it grows by one, and halves whenever one is.

    So TCP's slow start and congestion avoidance have it (RFC 5681, section 3.1). Never more than ``most`` texts, nor so
    many that texts times labels exceed ``most_pairs`` (one text is always allowed). Safe for several threads.
    """

    def __init__(self, most: int, most_pairs: int) -> None:
        if min(most, most_pairs) < 1:
            raise ValueError(f"expected bounds of 1 or more, got {most} and {most_pairs}")
        self._most = most
        self._most_pairs = most_pairs
        self._lock = threading.Lock()
        self._size = float(min(_FIRST, most))
        self._was_slow = False

    @property
    def texts(self) -> int:
        """Texts that a call may have at this moment, its labels aside."""
        return int(self._size)

    def for_labels(self, count: int) -> int:
        """Texts that a call about ``count`` labels may have at this moment."""
        return max(1, min(int(self._size), self._most_pairs // max(1, count)))

    def answered(self, texts: int, labels: int, seconds: float) -> None:
        """A call about so many texts and labels was answered within ``seconds``."""
        if seconds > _SLOW:
            self.too_much(texts)
            return
        with self._lock:
            # a call that was small for want of texts says nothing of larger ones
            was_full = texts >= min(int(self._size), self._most_pairs // max(1, labels))
            if was_full and seconds <= _QUICK:
                grown = self._size + 1 if self._was_slow else self._size * 2
                self._size = min(float(self._most), grown)

    def too_much(self, texts: int) -> None:
        """A call about so many texts was answered too late, or not, while its halves were."""
        with self._lock:
            # several calls of the same size are one piece of news
            if texts <= self._size:
                self._was_slow = True
                self._size = max(1.0, min(self._size, float(texts)) / 2)
