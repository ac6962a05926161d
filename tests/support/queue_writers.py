"""Writers for tests that need several senders, or none: then the test takes each turn of a sender by ``send_due``."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from pipeline.acceptance import Acceptance
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from tests.support.fake_sqs import URL, EntryFault, FakeSqs
from tests.support.polling import wait_until

#: Seconds that what is to happen may take, and more than any test takes.
SOON = 5.0
NEVER = 3600.0


class Writers:
    """Makes writers of one queue, which linger for ever unless told otherwise, and closes them."""

    def __init__(self, sqs: FakeSqs) -> None:
        self._sqs = sqs
        self._made: list[QueueWriter] = []

    def make(self, senders: int, *, backoff: Backoff | None = None, **options: Any) -> QueueWriter:
        """One without senders goes by the queue's clock."""
        own = {"linger_seconds": NEVER} | ({"clock": self._sqs.clock} if senders == 0 else {}) | options
        backoff = backoff or Backoff(0.002, 0.005, random.Random(1))
        metrics = QueueMetrics(CollectorRegistry())
        writer = QueueWriter(self._sqs.client, URL, "posts", metrics, backoff, senders=senders, **own)
        self._made.append(writer)
        return writer

    def close(self) -> None:
        self._sqs.faults.gate.set()
        self._sqs.faults.outage = False
        for writer in self._made:
            writer.close(0.0)


def hold_back(sqs: FakeSqs, writer: QueueWriter) -> None:
    """Lets the writer reach its queue, and stops the next calls at a gate."""
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    sqs.faults.gate.clear()


def put_all(writer: QueueWriter, *bodies: str) -> dict[str, Acceptance]:
    return {body: writer.put(body) for body in bodies}


def numbers(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


def poison(*bodies: str) -> Callable[[str, Mapping[str, Any]], EntryFault | None]:
    """Entries that always fail by themselves."""
    return lambda _operation, entry: ("InternalError", False) if entry["MessageBody"] in bodies else None
