"""The process that goes the bare ways: its processor time is its own, and it is warm for all rounds."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.child_process import ChildProcess
from bench.classifier.ways import WAYS, Errand
from bench.pipeline.client_process import client_environment
from demo.stack import client

#: Seconds after which an errand counts as hung.
_LONGEST = 300.0


@dataclass(frozen=True)
class Measured:
    """Of one errand: seconds, seconds of processor time in all threads, and what the way gives for the texts."""

    seconds: float
    processor_seconds: float
    values: Sequence[float]


@dataclass(frozen=True)
class Order:
    """A way by its name, the addresses of queues and endpoint, and the errand."""

    way: str
    sqs: str
    endpoint: str
    errand: Errand


def client_process() -> ChildProcess:
    """Answers Orders with what it has measured."""
    return ChildProcess("the client", _run)


def measured(process: ChildProcess, order: Order) -> Measured:
    """The answer to an order. Raises ChildFailed."""
    return process.ask(order, _LONGEST)  # type: ignore[no-any-return]


def _run(pipe: Connection) -> None:
    clients: dict[tuple[str, str], Any] = {}
    try:
        while True:
            order = pipe.recv()
            os.environ.update(client_environment(order.sqs))
            for at in (("sqs", order.sqs), ("sagemaker-runtime", order.endpoint)):
                if at not in clients:
                    clients[at] = client(*at)
            pipe.send(_measured(order, clients["sqs", order.sqs], clients["sagemaker-runtime", order.endpoint]))
    except EOFError:
        return


def _measured(order: Order, sqs: Any, sagemaker: Any) -> Measured:
    began, processor_began = time.perf_counter(), time.process_time()
    values = WAYS[order.way](sqs, sagemaker, order.errand)
    return Measured(time.perf_counter() - began, time.process_time() - processor_began, values)
