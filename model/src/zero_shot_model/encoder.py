"""Texts to vectors. `Encoder` is the seam behind which a batching or a remote encoder may stand."""

import importlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from zero_shot_model.batching import plan_batches, rounded_length
from zero_shot_model.errors import EncoderClosed

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 384

MAX_TOKENS = 256
"""The model card of all-MiniLM-L6-v2: "input text longer than 256 word pieces is truncated". A post of 280
characters has about 70. tokenizer.json says 128, which would lose the second half of a long post; short ones
cost the same either way."""

MAX_CHARACTERS = 8192
"""What is cut off before the tokenizer, which reads a text to its end before it truncates. 256 word pieces of
plain text are some 1,200 characters."""


class Encoder(Protocol):
    """Texts to unit vectors, so that the cosine of two is their dot product."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), DIMENSIONS) in the order of `texts`. Raises EncoderClosed."""
        ...


class OpenVinoEncoder:
    """all-MiniLM-L6-v2 in int8 on `threads` cores. One thread may call `encode`; any may call `close`."""

    def __init__(self, model_file: Path, tokenizer_file: Path, threads: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        # The file pads every text to 128 tokens: a post would cost five times as much.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Otherwise bfloat16 where the processor has it: hardly faster, and scores differ by machine.
            "INFERENCE_PRECISION_HINT": "f32",
            # Pinned threads of several processes end up on the same cores.
            "ENABLE_CPU_PINNING": False,
            # Shapes whose compiled kernels are kept (an option of the CPU plugin that its manual does not list).
            # With its own 5,000, memory grew by 70 MB more over lists of mixed lengths.
            "CPU_RUNTIME_CACHE_CAPACITY": 64,
        }
        compiled = _openvino().Core().compile_model(str(model_file), "CPU", options)
        self._inference: Any = compiled.create_infer_request()
        self._closed = threading.Event()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder. A lone surrogate counts as an unknown character."""
        readable = [_readable(text[:MAX_CHARACTERS]) for text in texts]
        token_ids = [encoding.ids for encoding in self._tokenizer.encode_batch(readable)]
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        for batch in plan_batches([len(ids) for ids in token_ids]):
            if self._closed.is_set():
                raise EncoderClosed
            vectors[batch] = self._encode_batch([token_ids[index] for index in batch])
        return vectors

    def close(self) -> None:
        """Make a running and every later `encode` stop before its next batch."""
        self._closed.set()

    def _encode_batch(self, batch: Sequence[Sequence[int]]) -> Vectors:
        shape = (len(batch), rounded_length(max(map(len, batch))))
        token_ids = np.zeros(shape, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, ids in enumerate(batch):
            token_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        inputs = {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        states: Vectors = self._inference.infer(inputs, share_inputs=True, share_outputs=True)[0]
        # The mean over a text's tokens, up to a factor that the normalisation takes out.
        sums: Vectors = np.matmul(mask[:, np.newaxis, :].astype(np.float32), states)[:, 0, :]
        vectors: Vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors


def _readable(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which the tokenizer refuses."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _openvino() -> ModuleType:
    """OpenVINO without what sends usage figures.

    `import openvino` imports its model converter, which reports the import through openvino_telemetry if that
    is installed. None in sys.modules makes both imports fail (Python's "import system" reference), which
    openvino allows for. Without the converter the start is half a second shorter as well.
    """
    for name in ("openvino_telemetry", "openvino.tools.ovc"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")
