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

    def vectors_of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (texts, dimensions), new texts encoded TOGETHER at a time. Needs a text.

        Raises EncoderClosed and CallerGone.
        """
        found = self._known(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(missing), TOGETHER):
            batch = missing[start : start + TOGETHER]
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
