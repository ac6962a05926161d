"""Vectors of texts that come again with every request: label sentences and examples."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from zero_shot_model.encoder import Encoder, Vectors

TOGETHER = 32
"""Texts that are encoded at a time. What is done is kept, so a caller who gives up on a long list and asks again
finds it nearer to its end."""


class VectorCache:
    """The vectors of the `size` texts used last. Safe for several threads, which encode without holding a lock."""

    def __init__(self, encoder: Encoder, size: int) -> None:
        self._encoder = encoder
        self._size = size
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    def alone(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (texts, dimensions); a new text is encoded by itself. Needs a text. Raises EncoderClosed.

        int8 vectors depend a little on their neighbours in a batch, and these may stay for long.
        """
        return self._of(texts, 1)

    def together(self, texts: Sequence[str]) -> Vectors:
        """As `alone`, but new texts are encoded TOGETHER at a time: some three times as fast."""
        return self._of(texts, TOGETHER)

    def _of(self, texts: Sequence[str], at_a_time: int) -> Vectors:
        found = self._known(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(missing), at_a_time):
            batch = missing[start : start + at_a_time]
            found.update(self._kept(batch, self._encoder.encode(batch)))
        return np.array([found[text] for text in texts])

    def _known(self, texts: Sequence[str]) -> dict[str, Vectors]:
        found = {}
        with self._lock:
            for text in texts:
                vector = self._vectors.get(text)
                if vector is not None:
                    self._vectors.move_to_end(text)
                    found[text] = vector
        return found

    def _kept(self, texts: Sequence[str], vectors: Vectors) -> dict[str, Vectors]:
        """The vectors that count from now on: another thread's, where it was first."""
        kept = {}
        with self._lock:
            for text, vector in zip(texts, vectors, strict=True):
                # a row of its own: a view would keep its whole batch in memory
                kept[text] = self._vectors.setdefault(text, vector.copy())
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
        return kept
