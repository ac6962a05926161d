"""The limit: a loop around the model that has all texts beforehand, sorted by length, in batches of 32."""

import importlib
import time
from multiprocessing.connection import Connection

import numpy as np
from tokenizers import Tokenizer

from bench.child_process import ChildProcess
from bench.model.measured import Measured
from zero_shot_model import assets
from zero_shot_model.encoder import MAX_TOKENS

_BATCH = 32
_STEP = 8


def bare_loop(threads: int) -> ChildProcess:
    """Answers a list of texts with what it has measured until all vectors were there, tokenising included."""
    return ChildProcess("the bare loop", _run, threads)


def _run(pipe: Connection, threads: int) -> None:
    tokenizer = Tokenizer.from_file(str(assets.verified(assets.TOKENIZER, None)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    openvino = importlib.import_module("openvino")
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(assets.verified(assets.MODEL, None)), "CPU", options)
    inference = model.create_infer_request()
    try:
        while True:
            texts = pipe.recv()
            began, processor_began = time.perf_counter(), time.process_time()
            token_ids = sorted((encoding.ids for encoding in tokenizer.encode_batch_fast(texts)), key=len)
            for first in range(0, len(token_ids), _BATCH):
                inference.infer(_padded(token_ids[first : first + _BATCH]), share_inputs=True, share_outputs=True)
            seconds, processor = time.perf_counter() - began, time.process_time() - processor_began
            pipe.send(Measured(seconds, processor))
    except EOFError:
        return


def _padded(batch: list[list[int]]) -> dict[str, np.ndarray]:
    shape = (len(batch), -(-max(map(len, batch)) // _STEP) * _STEP)
    token_ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, ids in enumerate(batch):
        token_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return {"input_ids": token_ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
