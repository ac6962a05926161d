"""Whether memory stays flat: messages go round in a ring through a reader and a writer, in a process of their own.

The writer's queue is the reader's own. So a few hundred messages on the server are enough for any number that pass, and
the server's memory is flat by itself. Each time round a message is a new one for both: another id, another receipt.
"""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

import psutil
from prometheus_client import CollectorRegistry

from bench.child_process import ChildProcess
from bench.pipeline.client_process import client_environment
from bench.pipeline.loops import BODY, TRACE_ID, make_reader, make_writer, pass_on
from bench.quick_sqs import QuickSqs
from demo.stack import REGION
from pipeline.aws import aws_client
from pipeline.logs import configure_logs
from pipeline.queue_metrics import QueueMetrics
from pipeline.trace import trace_attributes

#: Messages in the ring at a time.
_RING = 500
_SAMPLES = 200
#: Of the samples, the share at each end that the growth is taken between.
_END = 10
_MEGABYTE = 1024 * 1024
#: Seconds between two samples, at most.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Memory:
    """``resident`` are bytes of resident memory, from after the warm-up to the last message, evenly spread."""

    messages: int
    resident: Sequence[int]

    @property
    def growth_mb(self) -> float:
        """Megabytes (2**20 bytes) between the median of the first tenth of the samples and that of the last."""
        share = max(1, len(self.resident) // _END)
        return (median(self.resident[-share:]) - median(self.resident[:share])) / _MEGABYTE

    @property
    def peak_mb(self) -> float:
        """Megabytes at most."""
        return max(self.resident) / _MEGABYTE


def measure_memory(messages: int, warm_up: int, tell: Callable[[int], None]) -> Memory:
    """Sends so many messages round after ``warm_up`` others, at the benchmark's own server. Raises ChildFailed.

    ``tell`` is called with the number of messages so far.
    """
    resident = []
    step = max(1, messages // _SAMPLES)
    with QuickSqs() as server, ChildProcess("the ring's client", _run, server.urls[0], warm_up, step) as process:
        for number in range(messages // step):
            resident.append(process.listen(_PATIENCE))
            tell((number + 1) * step)
    return Memory(messages, resident)


def _run(pipe: Connection, server: str, warm_up: int, step: int) -> None:
    configure_logs("WARNING", "readable", "bench")
    os.environ.update(client_environment(server))
    sqs = aws_client("sqs", REGION)
    url = sqs.create_queue(QueueName="ring")["QueueUrl"]
    metrics = QueueMetrics(CollectorRegistry())
    stopping = threading.Event()
    process = psutil.Process()
    due = itertools.count(warm_up + step, step)
    next_due = next(due)

    def goes_on(passed: int) -> bool:
        nonlocal next_due
        if passed >= next_due:
            try:
                pipe.send(process.memory_info().rss)
            except OSError:
                return False  # the parent has what it wants
            next_due = next(due)
        return True

    reader, writer = make_reader(sqs, url, metrics, stopping), make_writer(sqs, url, metrics)
    for _ in range(_RING):
        writer.put(BODY, trace_attributes(TRACE_ID))
    pass_on(reader, writer, stopping, goes_on)
