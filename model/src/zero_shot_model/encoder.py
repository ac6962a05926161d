"""Texts to vectors. `Encoder` is the seam behind which another or a remote encoder may stand."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from zero_shot_model.calls import CurrentCall
from zero_shot_model.dynamic_batching import DynamicBatcher, Job
from zero_shot_model.metrics import EncoderMetrics
from zero_shot_model.openvino_model import DIMENSIONS, Vectors, load_streams

__all__ = ["DIMENSIONS", "MAX_CHARACTERS", "MAX_TOKENS", "Encoder", "OpenVinoEncoder", "Vectors"]

MAX_TOKENS = 256
"""The model card of all-MiniLM-L6-v2: "input text longer than 256 word pieces is truncated". A post of 280
characters has about 70. tokenizer.json says 128, which would lose the second half of a long post; short ones
cost the same either way."""

MAX_CHARACTERS = 8192
"""What is cut off before the tokenizer, which reads a text to its end before it truncates. 256 word pieces of
plain text are some 1,200 characters."""

TOKENISED_TOGETHER = 32
"""Texts that are tokenised at a time, so that a list does not hold up a single text here either, and its first
texts run while its last are still tokenised."""


class Encoder(Protocol):
    """Texts to unit vectors, so that the cosine of two is their dot product."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), DIMENSIONS) in the order of `texts`. Raises EncoderClosed."""
        ...


class OpenVinoEncoder:
    """all-MiniLM-L6-v2 in int8 on `threads` cores. Any thread may call it, and the more do, the fuller its batches.

    The texts of all calls under way run together by length, see `batching`. `current`: whose texts a thread
    encodes, so that those of a call that was cancelled are dropped.
    """

    def __init__(
        self,
        model_file: Path,
        tokenizer_file: Path,
        threads: int,
        current: CurrentCall | None = None,
        metrics: EncoderMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        # The file pads every text to 128 tokens: a post would cost five times as much.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        # One at a time: it is sixty times as fast as the model, and the cores are the model's.
        self._tokenising = threading.Lock()
        self._current = current or CurrentCall()
        self._batcher = DynamicBatcher(load_streams(model_file, threads), metrics or EncoderMetrics(), clock)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder. A lone surrogate counts as an unknown character. Raises CallerGone for a cancelled call."""
        call = self._current.get()
        job = Job(len(texts))
        with call.cancelling(lambda: self._batcher.drop(job)):
            for first in range(0, len(texts), TOKENISED_TOGETHER):
                call.check()
                tokenised = self._tokenised(texts[first : first + TOKENISED_TOGETHER])
                if len(texts) > 1 or not self._batcher.run_at_once(job, tokenised[0]):
                    self._batcher.add(job, first, tokenised)
            vectors = job.result()
        call.texts_encoded += len(texts)
        return vectors

    def close(self) -> None:
        """Make every running and later `encode` raise EncoderClosed. Returns when what runs has ended."""
        self._batcher.close()

    def _tokenised(self, texts: Sequence[str]) -> list[list[int]]:
        readable = [_readable(text[:MAX_CHARACTERS]) for text in texts]
        with self._tokenising:
            return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(readable)]


def _readable(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which the tokenizer refuses."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
