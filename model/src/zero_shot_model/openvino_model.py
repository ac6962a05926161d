"""all-MiniLM-L6-v2 as OpenVINO runs it: token ids to vectors, on a stream for each thread."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from zero_shot_model.batching import rounded_length

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 384


class Stream:
    """One of the model's streams. One thread at a time may use it."""

    def __init__(self, inference: Any) -> None:
        self._inference = inference

    def run(self, batch: Sequence[Sequence[int]]) -> Vectors:
        """Unit vectors of shape (texts, DIMENSIONS) for the token ids of some texts.

        They do not depend on each other nor on the padding: the weights are int8, what flows through them is f32.
        """
        shape = (len(batch), rounded_length(max(map(len, batch))))
        token_ids = np.zeros(shape, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, ids in enumerate(batch):
            token_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        inputs = {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        vectors: Vectors = self._inference.infer(inputs, share_inputs=True)[0]
        return vectors


def load_streams(model_file: Path, streams: int) -> list[Stream]:
    """The model as so many streams of a thread each.

    Two streams ran 640 posts a second where one stream on two threads ran 600 in batches of 32, and 480 where that
    ran 260 one by one, sorted by length: a short text is too little work for two cores. What it costs is a fifth to
    two fifths more time for a single text on an idle machine.
    """
    openvino = _openvino()
    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        # Otherwise bfloat16 where the processor has it: hardly faster, and scores differ by machine.
        "INFERENCE_PRECISION_HINT": "f32",
        # Pinned threads of several processes end up on the same cores.
        "ENABLE_CPU_PINNING": False,
        # Shapes whose compiled kernels are kept (an option of the CPU plugin that its manual does not list).
        # With its own 5,000, memory grew by 70 MB more over lists of mixed lengths.
        "CPU_RUNTIME_CACHE_CAPACITY": 64,
    }
    model = _with_pooling(openvino, core.read_model(str(model_file)))
    # Compiled for each: a model of one stream runs in the thread that calls it, one of several hands over to threads
    # of its own, which costs a short text a tenth of a millisecond twice.
    return [Stream(core.compile_model(model, "CPU", options).create_infer_request()) for _ in range(streams)]


def _with_pooling(openvino: ModuleType, model: Any) -> Any:
    """The model with mean pooling and normalisation behind it, as its card has them.

    Within the model they cost next to nothing, and no state per token is copied out of it.
    """
    op = importlib.import_module("openvino.opset13")
    states = model.outputs[0].get_node().input_value(0)
    row = op.constant(np.array([1], np.int64))
    mask = op.unsqueeze(op.convert(model.input("attention_mask"), "f32"), row)
    # The sum, not the mean, of a text's states: the normalisation takes the factor out.
    sums = op.squeeze(op.matmul(mask, states, False, False), row)
    vectors = op.normalize_l2(sums, row, 1e-12, "max")
    return openvino.Model([op.result(vectors)], model.get_parameters(), "all-MiniLM-L6-v2")


def _openvino() -> ModuleType:
    """OpenVINO without what sends usage figures.

    `import openvino` imports its model converter, which reports the import through openvino_telemetry if that
    is installed. None in sys.modules makes both imports fail (Python's "import system" reference), which
    openvino allows for. Without the converter the start is half a second shorter as well.
    """
    for name in ("openvino_telemetry", "openvino.tools.ovc"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")
